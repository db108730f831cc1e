//! What the database looks like from the inside.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::thread;

use common::{account, key, put};
use omemo_storage::{AccountId, Batch, CommitId, Committed, Storage, blocking::wait};
use omemo_storage_sqlite::SqliteStorage;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection};
use tempfile::TempDir;

async fn connect(directory: &TempDir) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(directory.path().join("omemo.db"))
        .connect()
        .await
        .unwrap()
}

async fn count(connection: &mut SqliteConnection, what: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {what}")))
        .fetch_one(connection)
        .await
        .unwrap()
}

/// Tables of the application may live beside ours.
#[tokio::test]
async fn every_name_is_prefixed() {
    let (directory, _storage) = common::open().await;
    let mut connection = connect(&directory).await;
    let strange = "sqlite_schema WHERE name NOT LIKE 'omemo\\_%' ESCAPE '\\' \
        AND name NOT LIKE 'sqlite\\_autoindex\\_omemo\\_%' ESCAPE '\\'";
    assert_eq!(count(&mut connection, strange).await, 0);
}

#[test]
fn many_may_open_a_new_file_at_once() {
    for _ in 0..10 {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("omemo.db");
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| wait(SqliteStorage::open(&path)).unwrap());
            }
        });
        wait(async {
            let storage = SqliteStorage::open(&path).await.unwrap();
            put(&storage, &key("p", "i"), None, "value").await;
        });
    }
}

/// Ids of commits are forgotten once they are old, of this account only.
#[tokio::test]
async fn old_commits_are_forgotten() {
    let (directory, storage) = common::open().await;
    let mut connection = connect(&directory).await;
    for (who, age) in [
        (account().as_str(), 700),
        (account().as_str(), 500),
        ("other", 700),
    ] {
        let insert = "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 300) \
            INSERT INTO omemo_commit (account, id, at) SELECT ?, randomblob(16), unixepoch() - ? FROM n";
        sqlx::query(insert)
            .bind(who)
            .bind(age)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    for n in 0..1_000_u128 {
        // Spread over all ids, as random ones are.
        let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let batch = Batch::new(CommitId::from_bytes(id.to_be_bytes()));
        assert_eq!(
            storage.commit(&account(), &batch).await.unwrap(),
            Committed::Applied
        );
    }
    let old = "omemo_commit WHERE account <> 'other' AND at < unixepoch() - 650";
    assert!(count(&mut connection, old).await < 15);
    let recent = "omemo_commit WHERE account <> 'other' AND at >= unixepoch() - 650";
    assert_eq!(count(&mut connection, recent).await, 1_300);
    assert_eq!(
        count(&mut connection, "omemo_commit WHERE account = 'other'").await,
        300
    );
}

/// Nothing but the application's own tables is left of a purged account.
#[tokio::test]
async fn purge_leaves_nothing() {
    let (directory, storage) = common::open().await;
    put(&storage, &key("p", "i"), None, "value").await;
    storage.purge(&account()).await.unwrap();
    storage.purge(&AccountId::new("nobody").unwrap()).await.unwrap();
    let mut connection = connect(&directory).await;
    assert_eq!(count(&mut connection, "omemo_framed").await, 0);
    assert_eq!(count(&mut connection, "omemo_commit").await, 0);
}

/// Following the cursors through very many accounts: each once, in the order of their bytes.
#[tokio::test]
async fn a_million_accounts_are_listed_page_by_page() {
    let (directory, storage) = common::open().await;
    let fill = "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 1000000) \
        INSERT INTO omemo_framed (account, partition, item, revision, framed) \
        SELECT n || '@capulet.lit', 'p', 'i', x'', x'' FROM n";
    let mut connection = connect(&directory).await;
    sqlx::query(fill).execute(&mut connection).await.unwrap();
    let (mut listed, mut pages, mut last, mut after) = (0, 0, None::<AccountId>, None);
    loop {
        let page = storage.accounts(after.as_ref(), 1_000).await.unwrap();
        for account in page.entries {
            let account = Some(account);
            assert!(last < account, "{account:?} follows {last:?}");
            last = account;
            listed += 1;
        }
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((listed, pages), (1_000_000, 1_000));
}

/// A key that was replaced or deleted does not stay in the file.
#[tokio::test]
async fn replaced_and_deleted_values_are_overwritten() {
    let (directory, storage) = common::open().await;
    let (replaced, deleted) = (key("p", "replaced"), key("p", "deleted"));
    let replaced_at = put(&storage, &replaced, None, &"first secret ".repeat(500)).await;
    let deleted_at = put(&storage, &deleted, None, &"second secret ".repeat(500)).await;
    put(&storage, &replaced, Some(replaced_at), "short").await;
    let mut batch = common::batch();
    batch.delete(deleted, Some(deleted_at));
    assert_eq!(
        storage.commit(&account(), &batch).await.unwrap(),
        Committed::Applied
    );
    // Closing moves everything from the write-ahead log to the database, and removes the log.
    storage.close().await;
    let entries = directory.path().read_dir().unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["omemo.db", "omemo.db-mark"]);
    let file = std::fs::read(directory.path().join("omemo.db")).unwrap();
    assert!(!file.windows(6).any(|bytes| bytes == b"secret"));
}
