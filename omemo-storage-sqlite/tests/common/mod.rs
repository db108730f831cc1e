//! What the tests of this crate share.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::hash::{BuildHasher, RandomState};

use omemo_storage::{
    AccountId, Batch, CommitId, Committed, Key, Query, Revision, Storage, StorageError, Value,
};
use omemo_storage_sqlite::SqliteStorage;
use tempfile::TempDir;

pub(crate) async fn open() -> (TempDir, SqliteStorage) {
    let directory = TempDir::new().unwrap();
    let storage = SqliteStorage::open(directory.path().join("omemo.db"))
        .await
        .unwrap();
    (directory, storage)
}

pub(crate) fn account() -> AccountId {
    AccountId::new("romeo@montague.lit").unwrap()
}

pub(crate) fn key(partition: &str, item: &str) -> Key {
    Key::new(partition, item).unwrap()
}

pub(crate) fn batch() -> Batch {
    let random = || u128::from(RandomState::new().hash_one(0));
    Batch::new(CommitId::from_bytes((random() << 64 | random()).to_be_bytes()))
}

pub(crate) async fn put<S: Storage>(
    storage: &S,
    key: &Key,
    expected: Option<Revision>,
    value: &str,
) -> Revision {
    let mut batch = batch();
    batch.put(key.clone(), expected, Value::from(value.as_bytes().to_vec()));
    assert_eq!(
        storage.commit(&account(), &batch).await.unwrap(),
        Committed::Applied
    );
    batch.id().into()
}

/// The value at a key as text.
pub(crate) async fn value<S: Storage>(storage: &S, key: &Key) -> Result<Option<String>, StorageError> {
    let mut query = Query::new();
    query.records.insert(key.clone());
    let snapshot = storage.load(&account(), &query).await?;
    let record = snapshot.records.into_values().next();
    Ok(record.map(|record| String::from_utf8(record.value.as_bytes().to_vec()).unwrap()))
}

/// Adds one to the number at a key, over and over until nobody comes between.
pub(crate) async fn increment<S: Storage>(storage: &S, key: &Key) {
    loop {
        let mut query = Query::new();
        query.records.insert(key.clone());
        let snapshot = storage.load(&account(), &query).await.unwrap();
        let record = snapshot.records.get(key);
        let count = record.map_or(0, |record| {
            let text = std::str::from_utf8(record.value.as_bytes()).unwrap();
            text.parse::<u64>().unwrap()
        });
        let mut batch = batch();
        let value = Value::from((count + 1).to_string().into_bytes());
        batch.put(key.clone(), record.map(|record| record.revision), value);
        if storage.commit(&account(), &batch).await.unwrap() == Committed::Applied {
            return;
        }
    }
}
