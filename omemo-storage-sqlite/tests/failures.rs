//! Each way a database can fail has an error of its own.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::fs;
use std::time::Duration;

use common::{account, batch, key, put, value};
use omemo_storage::{Committed, ErrorKind, Name, Query, Retry, Storage, StorageError, Value};
use omemo_storage_sqlite::{SqliteOptions, SqliteStorage};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Executor, SqliteConnection, SqlitePool};
use tempfile::TempDir;

fn assert_error(error: &StorageError, kind: ErrorKind, says: &str) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.to_string().contains(says), "{error}");
}

fn options(directory: &TempDir) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(directory.path().join("omemo.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
}

async fn connect(directory: &TempDir) -> SqliteConnection {
    options(directory).connect().await.unwrap()
}

fn pool(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new().connect_lazy_with(options)
}

#[tokio::test]
async fn file_that_is_not_a_database() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("omemo.db");
    fs::write(&path, "a letter to Juliet, and no database at all\n".repeat(300)).unwrap();
    let error = SqliteStorage::open(&path).await.unwrap_err();
    assert_error(&error, ErrorKind::Corrupt, "not a database");
    assert_eq!(error.retry(), Retry::Never);
    assert!(fs::read(&path).unwrap().starts_with(b"a letter"));
}

#[tokio::test]
async fn damaged_database() {
    let (directory, storage) = common::open().await;
    for n in 0..200 {
        put(&storage, &key("p", &n.to_string()), None, &"v".repeat(1_000)).await;
    }
    storage.close().await;
    drop(storage);
    let path = directory.path().join("omemo.db");
    let mut bytes = fs::read(&path).unwrap();
    for byte in bytes.iter_mut().skip(8 * 4_096) {
        *byte = 0x5a;
    }
    fs::write(&path, bytes).unwrap();

    let storage = SqliteStorage::open(&path).await.unwrap();
    let error = value(&storage, &key("p", "150")).await.unwrap_err();
    assert_error(&error, ErrorKind::Corrupt, "damaged");
}

#[tokio::test]
async fn schema_of_a_newer_version() {
    let (directory, storage) = common::open().await;
    storage.close().await;
    let mut connection = connect(&directory).await;
    connection
        .execute("INSERT INTO omemo_schema (version) VALUES (99)")
        .await
        .unwrap();
    let error = SqliteStorage::open(directory.path().join("omemo.db"))
        .await
        .unwrap_err();
    assert_error(
        &error,
        ErrorKind::UnsupportedVersion,
        "written by a newer version",
    );
    assert_error(&error, ErrorKind::UnsupportedVersion, "version 99");
}

#[tokio::test]
async fn schema_that_was_tampered_with() {
    let (directory, storage) = common::open().await;
    connect(&directory)
        .await
        .execute("DROP TABLE omemo_framed")
        .await
        .unwrap();
    let error = value(&storage, &key("p", "i")).await.unwrap_err();
    assert_error(&error, ErrorKind::Corrupt, "refused");
}

/// What its lengths say of a record is not believed.
#[tokio::test]
async fn lengths_that_were_tampered_with() {
    // Too much of the partition, of the item, too little and too much of the value; all of it, but other names; and fewer
    // bytes than lengths have.
    for lengths in [
        "x'0002000100000005'",
        "x'0001000200000005'",
        "x'0001000100000004'",
        "x'00010001ffffffff'",
        "x'0000000200000005'",
        "x'0001'",
        "x''",
    ] {
        let (directory, storage) = common::open().await;
        put(&storage, &key("p", "i"), None, "value").await;
        assert_eq!(
            value(&storage, &key("p", "i")).await.unwrap().as_deref(),
            Some("value")
        );
        let change = format!("UPDATE omemo_framed SET framed = CAST({lengths} || substr(framed, 9) AS BLOB)");
        connect(&directory)
            .await
            .execute(sqlx::AssertSqlSafe(change))
            .await
            .unwrap();
        let mut whole = Query::new();
        whole.partitions.insert(Name::new("p").unwrap());
        let error = storage.load(&account(), &whole).await.unwrap_err();
        assert_error(&error, ErrorKind::Corrupt, "lengths");
        let error = value(&storage, &key("p", "i")).await.unwrap_err();
        assert_error(&error, ErrorKind::Corrupt, "lengths");
    }
}

#[tokio::test]
async fn read_only_database() {
    let (directory, storage) = common::open().await;
    put(&storage, &key("p", "i"), None, "value").await;
    storage.close().await;

    let path = directory.path().join("omemo.db");
    let read_only = SqliteStorage::open(format!("sqlite:{}?mode=ro", path.display()))
        .await
        .unwrap();
    let read = value(&read_only, &key("p", "i")).await.unwrap();
    assert_eq!(read.as_deref(), Some("value"));
    let mut batch = batch();
    batch.put(key("p", "j"), None, Value::from(b"value".to_vec()));
    let error = read_only.commit(&account(), &batch).await.unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "read-only");
}

#[tokio::test]
async fn read_only_database_without_tables() {
    let directory = TempDir::new().unwrap();
    let mut connection = connect(&directory).await;
    connection.execute("CREATE TABLE other (x)").await.unwrap();
    let path = directory.path().join("omemo.db");
    let error = SqliteStorage::open(format!("sqlite:{}?mode=ro", path.display()))
        .await
        .unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "read-only");
}

#[tokio::test]
async fn file_that_cannot_be_opened() {
    let directory = TempDir::new().unwrap();
    for path in [
        directory.path().join("missing/omemo.db"),
        directory.path().to_owned(),
    ] {
        let named = format!("{} cannot be opened: ", path.display());
        let error = SqliteStorage::open(path).await.unwrap_err();
        assert_error(&error, ErrorKind::Misconfigured, &named);
    }
    let missing = format!("{}/omemo.db", directory.path().display());
    let error = SqliteStorage::open(format!("sqlite:{missing}?mode=rw"))
        .await
        .unwrap_err();
    let named = format!("{missing} cannot be opened: ");
    assert_error(&error, ErrorKind::Misconfigured, &named);
}

/// Its password must not be shown.
#[tokio::test]
async fn url_of_another_storage() {
    let url = "postgres://romeo:secret@localhost/omemo";
    let error = SqliteStorage::open(url).await.unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "URL of another storage");
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[tokio::test]
async fn url_that_is_none() {
    let error = SqliteStorage::open("sqlite:omemo.db?mode=sideways")
        .await
        .unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "URL");
}

#[tokio::test]
async fn full_disk() {
    let directory = TempDir::new().unwrap();
    let pool = pool(options(&directory).pragma("max_page_count", "40"));
    let storage = SqliteStorage::from_pool(pool).await.unwrap();
    put(&storage, &key("p", "i"), None, "value").await;

    let mut large = batch();
    large.put(key("p", "j"), None, Value::from(b"small".to_vec()));
    large.put(key("q", "k"), None, Value::from(b"zq".repeat(100_000)));
    let error = storage.commit(&account(), &large).await.unwrap_err();
    assert_error(&error, ErrorKind::Full, "full");
    assert_eq!(error.retry(), Retry::Later);
    assert!(!format!("{error:?}").contains("zqzq"));

    assert_eq!(value(&storage, &key("p", "j")).await.unwrap(), None);
    put(&storage, &key("p", "j"), None, "value").await;
}

/// What is written within it would vanish if nobody ends it.
#[tokio::test]
async fn transaction_that_the_application_left_open() {
    let directory = TempDir::new().unwrap();
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(options(&directory));
    let storage = SqliteStorage::from_pool(pool.clone()).await.unwrap();
    put(&storage, &key("p", "i"), None, "value").await;
    pool.execute("BEGIN").await.unwrap();

    let mut written = batch();
    written.put(key("p", "j"), None, Value::from(b"value".to_vec()));
    let within = |failed: StorageError| assert_error(&failed, ErrorKind::Misconfigured, "a transaction open");
    within(storage.commit(&account(), &written).await.unwrap_err());
    within(storage.purge(&account()).await.unwrap_err());

    pool.execute("ROLLBACK").await.unwrap();
    assert_eq!(
        value(&storage, &key("p", "i")).await.unwrap().as_deref(),
        Some("value")
    );
    assert_eq!(value(&storage, &key("p", "j")).await.unwrap(), None);
    assert_eq!(
        storage.commit(&account(), &written).await.unwrap(),
        Committed::Applied
    );
    let mut again = batch();
    again.put(key("p", "j"), None, Value::from(b"other".to_vec()));
    assert_eq!(
        storage.commit(&account(), &again).await.unwrap(),
        Committed::Conflict
    );
    storage.purge(&account()).await.unwrap();
    assert_eq!(value(&storage, &key("p", "j")).await.unwrap(), None);
}

#[tokio::test]
async fn database_locked_by_someone_else() {
    let (directory, storage) = common::open().await;
    put(&storage, &key("p", "i"), None, "value").await;
    storage.close().await;
    let open = || {
        SqliteOptions::new(directory.path().join("omemo.db"))
            .unwrap()
            .busy_timeout(Duration::from_millis(50))
            .open()
    };
    let storage = open().await.unwrap();
    let mut other = connect(&directory).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();

    let mut batch = batch();
    batch.put(key("p", "j"), None, Value::from(b"value".to_vec()));
    let error = storage.commit(&account(), &batch).await.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, "locked by another");
    assert_eq!(error.retry(), Retry::Later);
    let error = storage.purge(&account()).await.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, "locked by another");

    // Reading does not wait for writers, and opening does without its own mark.
    let read = value(&storage, &key("p", "i")).await.unwrap();
    assert_eq!(read.as_deref(), Some("value"));
    open().await.unwrap();

    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(
        storage.commit(&account(), &batch).await.unwrap(),
        Committed::Applied
    );
}

#[tokio::test]
async fn new_database_locked_by_someone_else() {
    let directory = TempDir::new().unwrap();
    let mut other = connect(&directory).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let error = SqliteOptions::new(directory.path().join("omemo.db"))
        .unwrap()
        .busy_timeout(Duration::from_millis(50))
        .open()
        .await
        .unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, "locked by another");
}

/// The change to the write-ahead log needs the file to itself.
#[tokio::test]
async fn database_of_another_journal_mode_is_waited_for() {
    let directory = TempDir::new().unwrap();
    let mut other = options(&directory)
        .journal_mode(SqliteJournalMode::Delete)
        .connect()
        .await
        .unwrap();
    other
        .execute("CREATE TABLE other (x); BEGIN; SELECT * FROM other")
        .await
        .unwrap();
    let path = directory.path().join("omemo.db");
    let open = tokio::spawn(async move { SqliteStorage::open(path).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!open.is_finished());
    other.execute("COMMIT").await.unwrap();
    let storage = open.await.unwrap().unwrap();
    put(&storage, &key("p", "i"), None, "value").await;
}

#[tokio::test]
async fn settings_that_are_not_durable() {
    let directory = TempDir::new().unwrap();
    let lazy = options(&directory).synchronous(SqliteSynchronous::Normal);
    let error = SqliteStorage::from_pool(pool(lazy.clone())).await.unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "synchronous");
    let storage = SqliteStorage::from_volatile_pool(pool(lazy)).await.unwrap();
    put(&storage, &key("p", "i"), None, "value").await;

    let directory = TempDir::new().unwrap();
    let journal = options(&directory).journal_mode(SqliteJournalMode::Memory);
    let error = SqliteStorage::from_pool(pool(journal)).await.unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "journal_mode");
    let error = SqliteStorage::open("sqlite::memory:").await.unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "journal_mode");
}

#[tokio::test]
async fn closed_storage() {
    let (_directory, storage) = common::open().await;
    storage.close().await;
    let error = value(&storage, &key("p", "i")).await.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, "closed");
    let error = storage.commit(&account(), &batch()).await.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, "closed");
}

/// The call under way ends, and with it the closing.
#[tokio::test]
async fn storage_that_is_closed_during_a_call() {
    let (directory, storage) = common::open().await;
    let mut other = connect(&directory).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let commit = tokio::spawn({
        let storage = storage.clone();
        async move { storage.commit(&account(), &batch()).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let close = tokio::spawn({
        let storage = storage.clone();
        async move { storage.close().await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!commit.is_finished() && !close.is_finished());
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(commit.await.unwrap().unwrap(), Committed::Applied);
    let closed = tokio::time::timeout(Duration::from_secs(20), close).await;
    closed.unwrap().unwrap();
}

/// The database holds private keys: nobody else may read it, nor what SQLite keeps beside it.
#[cfg(unix)]
#[test]
fn a_new_database_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let storage = omemo_storage::blocking::wait(omemo_storage_sqlite::SqliteStorage::open(
        directory.path().join("new.sqlite"),
    ))
    .unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
        files += 1;
    }
    assert!(files >= 2, "the database and its write-ahead log");
    drop(storage);
}
