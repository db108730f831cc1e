//! A copy of a database is told from the one that was last in use.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{account, key, put, value};
use omemo_storage::{Batch, CommitId, Committed, ErrorKind, Retry, Storage, StorageError, Value};
use omemo_storage_sqlite::{SqliteOptions, SqliteStorage};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, SqliteConnection};
use tempfile::TempDir;
use tokio::time::sleep;

struct Files(TempDir);

impl Files {
    /// A database with a record, that was closed.
    async fn new() -> Self {
        let files = Self(TempDir::new().unwrap());
        let storage = files.open().await.unwrap();
        put(&storage, &key("p", "i"), None, "value").await;
        storage.close().await;
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn database(&self) -> PathBuf {
        self.path("omemo.db")
    }

    fn mark(&self) -> PathBuf {
        self.path("omemo.db-mark")
    }

    fn back_up(&self) {
        fs::copy(self.database(), self.path("backup.db")).unwrap();
    }

    /// Into the same file.
    fn restore(&self) {
        fs::copy(self.path("backup.db"), self.database()).unwrap();
    }

    async fn open(&self) -> Result<SqliteStorage, StorageError> {
        SqliteStorage::open(self.database()).await
    }

    async fn reopen(&self) {
        self.open().await.unwrap().close().await;
    }

    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.database());
        options.connect().await.unwrap()
    }
}

async fn assert_copy(path: &Path, says: &str) {
    let error = SqliteStorage::open(path).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Copy, Retry::Never),
        "{error:?}"
    );
    for says in [says, "accept_copy", &path.display().to_string()] {
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// Commits a batch whose id ends with a byte.
async fn commit(storage: &SqliteStorage, last: u8) {
    let mut id = *common::batch().id().as_bytes();
    id[15] = last;
    let mut batch = Batch::new(CommitId::from_bytes(id));
    let item = format!("{:032x}", u128::from_be_bytes(id));
    batch.put(key("p", &item), None, Value::from(b"value".to_vec()));
    assert_eq!(
        storage.commit(&account(), &batch).await.unwrap(),
        Committed::Applied
    );
}

#[tokio::test]
async fn database_that_stays_where_it_is() {
    let files = Files::new().await;
    for _ in 0..3 {
        let storage = files.open().await.unwrap();
        commit(&storage, 0xff).await;
        // As if the process were killed.
        Box::leak(Box::new(storage));
    }
    let [one, other] = [files.open().await.unwrap(), files.open().await.unwrap()];
    for (storage, last) in [(&one, 0xff), (&other, 0xff), (&one, 0), (&other, 0), (&one, 0xf0)] {
        commit(storage, last).await;
    }
    files.reopen().await;
}

#[tokio::test]
async fn copy() {
    let files = Files::new().await;
    files.back_up();
    assert_copy(&files.path("backup.db"), "there is no").await;
    // What stayed where it was can be used.
    files.reopen().await;
}

#[tokio::test]
async fn copy_with_all_that_belongs_to_it() {
    let files = Files::new().await;
    files.back_up();
    fs::copy(files.mark(), files.path("backup.db-mark")).unwrap();
    assert_copy(&files.path("backup.db"), "that of another file").await;
    // So also in the place of the original.
    fs::rename(files.path("backup.db"), files.database()).unwrap();
    assert_copy(&files.database(), "that of another file").await;
}

#[tokio::test]
async fn copy_into_the_same_file() {
    let files = Files::new().await;
    files.back_up();
    files.reopen().await;
    files.restore();
    assert_copy(&files.database(), "older").await;
    // It is not forgotten by itself.
    assert_copy(&files.database(), "older").await;
}

/// Both files are written over with former ones, as by `cp backup/* .`: they are still the same two files.
#[tokio::test]
async fn copy_into_the_same_file_along_with_its_mark() {
    let files = Files::new().await;
    files.back_up();
    fs::copy(files.mark(), files.path("backup.db-mark")).unwrap();
    files.reopen().await;
    let put_back = || {
        files.restore();
        fs::copy(files.path("backup.db-mark"), files.mark()).unwrap();
    };
    put_back();
    assert_copy(&files.database(), "put back along with it").await;
    let options = SqliteOptions::new(files.database()).unwrap();
    options.accept_copy().open().await.unwrap().close().await;
    files.reopen().await;
    put_back();
    assert_copy(&files.database(), "put back along with it").await;
}

/// The version before did not say which file it is.
#[tokio::test]
async fn mark_of_the_former_form() {
    let files = Files::new().await;
    let mark = fs::read_to_string(files.mark()).unwrap();
    let lines: Vec<&str> = mark.lines().collect();
    let [_, database, _, mark, _] = lines[..] else {
        panic!("{mark}")
    };
    fs::write(files.mark(), format!("omemo mark 1\n{database}\n{mark}\n")).unwrap();
    files.reopen().await;
    assert!(
        fs::read_to_string(files.mark())
            .unwrap()
            .starts_with("omemo mark 3\n")
    );
    files.reopen().await;
}

/// The file is written over while clients run: who opens the database at that moment waits until it is whole again.
#[tokio::test]
async fn mark_that_is_half_written() {
    let files = Files::new().await;
    let former = fs::read_to_string(files.mark()).unwrap();
    files.reopen().await;
    let whole = fs::read_to_string(files.mark()).unwrap();
    const REST: usize = 50;
    let (begun, rest) = (whole.len() - REST, former.len() - REST);
    fs::write(files.mark(), format!("{}{}", &whole[..begun], &former[rest..])).unwrap();

    let writer = async {
        sleep(Duration::from_millis(50)).await;
        fs::write(files.mark(), &whole).unwrap();
    };
    let (opened, ()) = tokio::join!(files.open(), writer);
    opened.unwrap().close().await;

    // What stays torn is no mark.
    fs::write(files.mark(), format!("{}{}", &whole[..begun], &former[rest..])).unwrap();
    assert_copy(&files.database(), "there is no").await;
}

/// Made while the database is in use, and put back before it is opened again.
#[tokio::test]
async fn online_backup() {
    let files = Files::new().await;
    let storage = files.open().await.unwrap();
    commit(&storage, 0xff).await;
    let backup = format!("VACUUM INTO '{}'", files.path("backup.db").display());
    files
        .connect()
        .await
        .execute(AssertSqlSafe(backup))
        .await
        .unwrap();
    commit(&storage, 0xff).await;
    storage.close().await;
    files.restore();
    assert_copy(&files.database(), "older").await;
}

#[tokio::test]
async fn copy_from_before_there_were_marks() {
    let files = Files::new().await;
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1.db");
    fs::copy(golden, files.database()).unwrap();
    assert_copy(&files.database(), "older").await;
}

/// What is done to it meanwhile stays.
#[tokio::test]
async fn copy_that_is_mended_stays_refused_until_it_is_accepted() {
    let files = Files::new().await;
    files.back_up();
    files.reopen().await;
    files.restore();
    for _ in 0..2 {
        let options = SqliteOptions::new(files.database()).unwrap();
        let storage = options.unmarked().open().await.unwrap();
        commit(&storage, 0xff).await;
        storage.close().await;
        assert_copy(&files.database(), "older").await;
    }
    let options = SqliteOptions::new(files.database()).unwrap();
    options.accept_copy().open().await.unwrap().close().await;
    files.reopen().await;
}

#[tokio::test]
async fn accepted_once_it_is_the_one_in_use() {
    let files = Files::new().await;
    files.back_up();
    files.reopen().await;
    files.restore();
    let options = SqliteOptions::new(files.database()).unwrap();
    let storage = options.accept_copy().open().await.unwrap();
    assert_eq!(
        value(&storage, &key("p", "i")).await.unwrap().as_deref(),
        Some("value")
    );
    storage.close().await;
    files.reopen().await;
    files.restore();
    assert_copy(&files.database(), "older").await;
}

#[tokio::test]
async fn moved_with_its_mark() {
    let files = Files::new().await;
    fs::rename(files.database(), files.path("moved.db")).unwrap();
    fs::rename(files.mark(), files.path("moved.db-mark")).unwrap();
    let moved = SqliteStorage::open(files.path("moved.db")).await.unwrap();
    assert!(value(&moved, &key("p", "i")).await.unwrap().is_some());
}

#[tokio::test]
async fn new_database_where_one_was_removed() {
    let files = Files::new().await;
    fs::remove_file(files.database()).unwrap();
    files.reopen().await;
    files.reopen().await;
}

/// Who only reads uses up no keys.
#[tokio::test]
async fn copy_that_is_only_read() {
    let files = Files::new().await;
    files.back_up();
    let url = format!("sqlite:{}?mode=ro", files.path("backup.db").display());
    let storage = SqliteStorage::open(url).await.unwrap();
    assert!(value(&storage, &key("p", "i")).await.unwrap().is_some());
    assert!(!files.path("backup.db-mark").exists());
}

/// Not every mark need reach the file, nor the file the disk.
#[tokio::test]
async fn mark_that_is_behind() {
    let files = Files::new().await;
    let storage = files.open().await.unwrap();
    let behind = fs::read(files.mark()).unwrap();
    for _ in 0..900 {
        commit(&storage, 0xff).await;
    }
    assert_ne!(fs::read(files.mark()).unwrap(), behind);
    storage.close().await;
    fs::write(files.mark(), behind).unwrap();
    files.reopen().await;
}

#[tokio::test]
async fn one_commit_in_sixteen_is_a_mark() {
    let files = Files::new().await;
    let storage = files.open().await.unwrap();
    let mut marks = 0;
    for last in 0..=255 {
        let before = fs::read(files.mark()).unwrap();
        commit(&storage, last).await;
        marks += usize::from(fs::read(files.mark()).unwrap() != before);
    }
    assert_eq!(marks, 16);
    // And those in the database are the same.
    let mut connection = files.connect().await;
    let count = |last: &str| {
        let count = format!("SELECT count(*) FROM omemo_mark WHERE hex(id) LIKE '%{last}'");
        sqlx::query_scalar::<_, i64>(AssertSqlSafe(count))
    };
    assert!(count("F_").fetch_one(&mut connection).await.unwrap() >= 16);
    assert!(count("").fetch_one(&mut connection).await.unwrap() <= 18 + 16);
}

#[tokio::test]
async fn marks_are_forgotten() {
    let files = Files::new().await;
    let marks = "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 2500) \
        INSERT INTO omemo_mark (id) SELECT randomblob(16) FROM n";
    let mut connection = files.connect().await;
    connection.execute(marks).await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM omemo_mark")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(count, 1_000);
}

#[tokio::test]
async fn place_of_the_mark_that_is_taken() {
    let files = Files(TempDir::new().unwrap());
    fs::create_dir(files.mark()).unwrap();
    let error = files.open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.to_string().contains("omemo.db-mark"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn mark_is_for_its_owners_eyes() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::new().await;
    let mode = fs::metadata(files.mark()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// What may be older after each power failure is not watched.
#[tokio::test]
async fn volatile_database_has_no_mark() {
    let files = Files(TempDir::new().unwrap());
    let options = SqliteOptions::new(files.database()).unwrap();
    options.allow_volatile().open().await.unwrap();
    assert!(!files.mark().exists());
}

/// Opening does not wait for a writer longer than it is told to, and looks all the same.
#[tokio::test]
async fn copy_that_is_locked() {
    let files = Files::new().await;
    files.back_up();
    files.reopen().await;
    let open = || {
        let options = SqliteOptions::new(files.database()).unwrap();
        options.busy_timeout(Duration::from_millis(50)).open()
    };
    for put_back in [false, true] {
        if put_back {
            files.restore();
        }
        let mut writer = files.connect().await;
        writer.execute("BEGIN IMMEDIATE").await.unwrap();
        let opened = open().await.map_err(|error| error.kind());
        assert_eq!(opened.err(), put_back.then_some(ErrorKind::Copy));
        writer.execute("ROLLBACK").await.unwrap();
    }
}
