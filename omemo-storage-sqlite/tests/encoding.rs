//! A database in another encoding than UTF-8 is refused.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use omemo_storage::ErrorKind;
use omemo_storage_sqlite::SqliteStorage;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use tempfile::TempDir;

#[tokio::test]
async fn utf_16_is_refused() {
    let directory = TempDir::new().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(directory.path().join("omemo.db"))
        .create_if_missing(true)
        .pragma("encoding", "'UTF-16le'")
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let refused = SqliteStorage::from_pool(pool).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert!(refused.to_string().contains("UTF-16le"), "{refused}");
}
