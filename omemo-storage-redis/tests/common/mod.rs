//! What the tests of this crate share.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails may panic"
)]

pub(crate) mod cluster;
pub(crate) mod server;
pub(crate) mod worker;

use std::hash::{BuildHasher, RandomState};

use omemo_storage::{
    AccountId, Batch, CommitId, Committed, Key, Query, Revision, Storage, StorageError, Value,
};

pub(crate) fn account() -> AccountId {
    AccountId::new("romeo@montague.lit").unwrap()
}

pub(crate) fn key(partition: &str, item: &str) -> Key {
    Key::new(partition, item).unwrap()
}

/// Unlike any other call's result, in this process or another: the hasher's keys are drawn at random.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}

pub(crate) fn batch() -> Batch {
    let id = u128::from(random()) << 64 | u128::from(random());
    Batch::new(CommitId::from_bytes(id.to_be_bytes()))
}

pub(crate) fn text(value: &str) -> Value {
    Value::from(value.as_bytes().to_vec())
}

/// A batch that creates a record.
pub(crate) fn creation(key: &Key, value: &str) -> Batch {
    let mut batch = batch();
    batch.put(key.clone(), None, text(value));
    batch
}

pub(crate) async fn put<S: Storage>(
    storage: &S,
    key: &Key,
    expected: Option<Revision>,
    value: &str,
) -> Revision {
    let mut batch = batch();
    batch.put(key.clone(), expected, text(value));
    assert_eq!(
        storage.commit(&account(), &batch).await.unwrap(),
        Committed::Applied
    );
    batch.id().into()
}

/// The value at a key as text.
pub(crate) async fn value<S: Storage>(storage: &S, key: &Key) -> Result<Option<String>, StorageError> {
    value_of(storage, &account(), key).await
}

/// The value at a key of some account as text.
pub(crate) async fn value_of<S: Storage>(
    storage: &S,
    account: &AccountId,
    key: &Key,
) -> Result<Option<String>, StorageError> {
    let mut query = Query::new();
    query.records.insert(key.clone());
    let snapshot = storage.load(account, &query).await?;
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
        let value = text(&(count + 1).to_string());
        batch.put(key.clone(), record.map(|record| record.revision), value);
        if storage.commit(&account(), &batch).await.unwrap() == Committed::Applied {
            return;
        }
    }
}
