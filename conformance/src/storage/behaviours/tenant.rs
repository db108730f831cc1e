//! One account of the storage under test.

use std::collections::BTreeMap;

use omemo_storage::{
    AccountId, Batch, CommitId, Committed, Key, Name, Query, Record, Revision, Snapshot, Storage, Value,
};

use crate::random;

/// An account that no other behaviour uses, with the calls that a behaviour makes on it. Errors of the storage panic.
pub(super) struct Tenant<'a, S> {
    pub(super) storage: &'a S,
    pub(super) account: AccountId,
}

impl<'a, S: Storage> Tenant<'a, S> {
    /// An account that nobody has used.
    pub(super) fn new(storage: &'a S) -> Self {
        Self::named(storage, &format!("romeo+{:016x}@montague.lit", random()))
    }

    pub(super) fn named(storage: &'a S, name: &str) -> Self {
        let account = AccountId::new(name).unwrap();
        Self { storage, account }
    }

    pub(super) async fn commit(&self, batch: &Batch) -> Committed {
        self.storage.commit(&self.account, batch).await.unwrap()
    }

    /// Puts a value where `expected` must be, and tells the record's new revision.
    pub(super) async fn put(&self, key: &Key, expected: Option<Revision>, value: &str) -> Revision {
        let mut batch = batch();
        batch.put(key.clone(), expected, text(value));
        assert_eq!(self.commit(&batch).await, Committed::Applied);
        batch.id().into()
    }

    /// Deletes a record that must be at `expected`.
    pub(super) async fn delete(&self, key: &Key, expected: Revision) {
        let mut batch = batch();
        batch.delete(key.clone(), Some(expected));
        assert_eq!(self.commit(&batch).await, Committed::Applied);
    }

    pub(super) async fn load(&self, query: &Query) -> Snapshot {
        self.storage.load(&self.account, query).await.unwrap()
    }

    pub(super) async fn record(&self, key: &Key) -> Option<Record> {
        let mut query = Query::new();
        query.records.insert(key.clone());
        self.load(&query).await.records.remove(key)
    }

    /// The value of a record as text.
    pub(super) async fn value(&self, key: &Key) -> Option<String> {
        self.record(key).await.map(|record| readable(&record.value))
    }

    /// Every record of a partition.
    pub(super) async fn partition(&self, partition: &str) -> BTreeMap<Key, Record> {
        let mut query = Query::new();
        query.partitions.insert(Name::new(partition).unwrap());
        self.load(&query).await.records
    }
}

/// A batch with an id of its own.
pub(super) fn batch() -> Batch {
    let id = u128::from(random()) << 64 | u128::from(random());
    Batch::new(CommitId::from_bytes(id.to_be_bytes()))
}

pub(super) fn key(partition: &str, item: &str) -> Key {
    Key::new(partition, item).unwrap()
}

pub(super) fn text(value: &str) -> Value {
    Value::from(value.as_bytes().to_vec())
}

pub(super) fn readable(value: &Value) -> String {
    String::from_utf8(value.as_bytes().to_vec()).unwrap()
}

/// Letters, digits and signs that nothing can compress.
pub(super) fn random_letters(length: usize) -> String {
    let mut letters = String::new();
    while letters.len() < length {
        let bits = random();
        letters.extend((0..10).map(|n| char::from(b'!' + (bits >> (6 * n) & 63) as u8)));
    }
    letters.truncate(length);
    letters
}
