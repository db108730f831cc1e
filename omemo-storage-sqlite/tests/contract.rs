//! The storage in SQLite keeps the contract.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use omemo_conformance::storage::agrees_with_model;
use omemo_storage_memory::MemoryStorage;
use omemo_storage_sqlite::SqliteStorage;
use tempfile::TempDir;

mod one_opening {
    use super::*;

    async fn open() -> (SqliteStorage, TempDir) {
        let directory = TempDir::new().unwrap();
        let storage = SqliteStorage::open(directory.path().join("omemo.db"))
            .await
            .unwrap();
        (storage, directory)
    }

    omemo_conformance::storage_suite!(tokio::test, open);
}

/// Each call goes to another opening of the file than the call before, as from two processes.
mod two_openings {
    use omemo_conformance::storage::Alternating;

    use super::*;

    async fn open() -> (Alternating<SqliteStorage>, TempDir) {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("omemo.db");
        let openings = vec![
            SqliteStorage::open(&path).await.unwrap(),
            SqliteStorage::open(&path).await.unwrap(),
        ];
        (Alternating::new(openings), directory)
    }

    omemo_conformance::storage_suite!(tokio::test(flavor = "multi_thread"), open);
}

/// Random calls, answered as by the storage in memory.
#[tokio::test]
async fn agrees_with_the_storage_in_memory() {
    let directory = TempDir::new().unwrap();
    let storage = SqliteStorage::open(directory.path().join("omemo.db"))
        .await
        .unwrap();
    let model = MemoryStorage::new();
    for seed in 0..8 {
        agrees_with_model(&storage, &model, seed, 250).await;
    }
}
