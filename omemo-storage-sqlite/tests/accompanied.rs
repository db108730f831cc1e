//! What an application writes together with a batch: all of both or none, once.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::{account, batch, key, value};
use omemo_storage::{Batch, Committed, Companion, ErrorKind, Key, Storage, Transactional, Value};
use omemo_storage_sqlite::SqliteStorage;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, SqliteConnection};
use tempfile::TempDir;

/// A storage, and a table of the application's beside its own.
struct Fixture {
    storage: SqliteStorage,
    directory: TempDir,
}

impl Fixture {
    async fn new(table: &'static str) -> Self {
        let (directory, storage) = common::open().await;
        let fixture = Self { storage, directory };
        fixture.connect().await.execute(table).await.unwrap();
        fixture
    }

    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.directory.path().join("omemo.db"));
        options.connect().await.unwrap()
    }

    async fn count(&self, table: &str) -> i64 {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        sqlx::query_scalar(count)
            .fetch_one(&mut self.connect().await)
            .await
            .unwrap()
    }

    /// Commits along with a statement, whose failure the application may overlook.
    async fn commit(
        &self,
        create: &Batch,
        statement: &'static str,
        overlooks: bool,
    ) -> Result<Committed, ErrorKind> {
        let committed = self
            .storage
            .commit_with(&account(), create, |connection| {
                companion(connection, statement, overlooks)
            })
            .await;
        committed.map_err(|failed| failed.kind())
    }

    async fn value(&self, key: &Key) -> Option<String> {
        value(&self.storage, key).await.unwrap()
    }
}

fn companion<'t>(
    connection: &'t mut SqliteConnection,
    statement: &'static str,
    overlooks: bool,
) -> Companion<'t> {
    Box::pin(async move {
        match connection.execute(statement).await {
            Err(failed) if !overlooks => Err(failed.into()),
            _ => Ok(()),
        }
    })
}

fn creation(key: &Key) -> Batch {
    let mut create = batch();
    create.put(key.clone(), None, Value::from(b"value".to_vec()));
    create
}

const TABLE: &str = "CREATE TABLE message (body TEXT UNIQUE)";
const INSERT: &str = "INSERT INTO message VALUES ('hi')";

#[tokio::test]
async fn both_take_effect_or_none() {
    let fixture = Fixture::new(TABLE).await;
    let (there, create) = (key("p", "i"), creation(&key("p", "i")));
    let twice = "INSERT INTO message VALUES ('hi'), ('hi')";
    assert_eq!(
        fixture.commit(&create, twice, false).await,
        Err(ErrorKind::Companion)
    );
    assert_eq!(fixture.count("message").await, 0);
    assert_eq!(fixture.value(&there).await, None);
    assert_eq!(fixture.count("omemo_commit").await, 0);

    assert_eq!(
        fixture.commit(&create, INSERT, false).await,
        Ok(Committed::Applied)
    );
    assert_eq!(fixture.count("message").await, 1);
    assert_eq!(fixture.value(&there).await.as_deref(), Some("value"));

    let (late, other) = (creation(&there), "INSERT INTO message VALUES ('ho')");
    assert_eq!(fixture.commit(&late, other, false).await, Ok(Committed::Conflict));
    assert_eq!(fixture.count("message").await, 1);
}

/// A statement can end the whole transaction with its own failure.
#[tokio::test]
async fn failure_that_ends_the_transaction() {
    let fixture = Fixture::new(TABLE).await;
    fixture.connect().await.execute(INSERT).await.unwrap();
    let (there, create) = (key("p", "i"), creation(&key("p", "i")));
    let ends = "INSERT OR ROLLBACK INTO message VALUES ('hi')";
    for overlooks in [true, false] {
        assert_eq!(
            fixture.commit(&create, ends, overlooks).await,
            Err(ErrorKind::Companion)
        );
        assert_eq!(fixture.value(&there).await, None);
    }

    let other = "INSERT INTO message VALUES ('ho')";
    assert_eq!(
        fixture.commit(&create, other, false).await,
        Ok(Committed::Applied)
    );
    assert_eq!(fixture.count("message").await, 2);
}

/// What is looked at only in the end is the application's as well.
#[tokio::test]
async fn constraint_that_is_deferred() {
    let table = "CREATE TABLE room (id INTEGER PRIMARY KEY);
        CREATE TABLE message (room INTEGER REFERENCES room DEFERRABLE INITIALLY DEFERRED)";
    let fixture = Fixture::new(table).await;
    let (there, create) = (key("p", "i"), creation(&key("p", "i")));
    let nowhere = "INSERT INTO message VALUES (1)";
    assert_eq!(
        fixture.commit(&create, nowhere, false).await,
        Err(ErrorKind::Companion)
    );
    assert_eq!(fixture.count("message").await, 0);
    assert_eq!(fixture.value(&there).await, None);

    let somewhere = "INSERT INTO room VALUES (1); INSERT INTO message VALUES (1)";
    assert_eq!(
        fixture.commit(&create, somewhere, false).await,
        Ok(Committed::Applied)
    );
    assert_eq!(fixture.value(&there).await.as_deref(), Some("value"));
}

/// From eight sides at once, as when nobody knows what became of the first.
#[tokio::test(flavor = "multi_thread")]
async fn resent_batch_takes_nothing_along() {
    let fixture = Fixture::new("CREATE TABLE message (body TEXT)").await;
    let (create, ran) = (creation(&key("p", "i")), Arc::new(AtomicU32::new(0)));
    let sides: Vec<_> = (0..8)
        .map(|_| {
            let (storage, create, ran) = (fixture.storage.clone(), create.clone(), Arc::clone(&ran));
            tokio::spawn(async move {
                storage
                    .commit_with(&account(), &create, |connection| {
                        ran.fetch_add(1, Ordering::Relaxed);
                        companion(connection, INSERT, false)
                    })
                    .await
                    .unwrap()
            })
        })
        .collect();
    for side in sides {
        assert_eq!(side.await.unwrap(), Committed::Applied);
    }
    assert_eq!(ran.load(Ordering::Relaxed), 1);
    assert_eq!(fixture.count("message").await, 1);
}

/// A database that lives in its one connection stays there when the application fails.
#[tokio::test]
async fn failure_in_memory_loses_nothing() {
    let options = SqliteConnectOptions::new().filename(":memory:");
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(options);
    let storage = SqliteStorage::from_volatile_pool(pool).await.unwrap();
    let (there, create) = (key("p", "i"), creation(&key("p", "i")));
    assert_eq!(
        storage.commit(&account(), &create).await.unwrap(),
        Committed::Applied
    );
    let other = creation(&key("p", "j"));
    let failed = storage
        .commit_with(&account(), &other, |connection| {
            companion(connection, "nonsense", false)
        })
        .await
        .unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Companion);
    assert_eq!(value(&storage, &there).await.unwrap().as_deref(), Some("value"));
    let committed = storage
        .commit_with(&account(), &other, |connection| {
            companion(connection, "SELECT 1", false)
        })
        .await;
    assert_eq!(committed.unwrap(), Committed::Applied);
}
