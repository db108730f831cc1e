//! The storage in SQLite keeps the contract.

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
