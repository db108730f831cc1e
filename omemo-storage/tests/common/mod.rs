//! What the tests of the wrappers share.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use omemo_storage::blocking::wait;
use omemo_storage::{
    AccountId, Batch, CommitId, Committed, Cursor, Key, Name, Page, Query, Record, RecordInfo, Revision,
    Snapshot, Storage, StorageError, Value,
};

pub fn account(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

pub fn romeo() -> AccountId {
    account("romeo@montague.lit")
}

pub fn key(partition: &str, item: &str) -> Key {
    Key::new(partition, item).unwrap()
}

pub fn text(value: &str) -> Value {
    Value::from(value.as_bytes().to_vec())
}

/// A batch with an id of its own.
pub fn batch() -> Batch {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = u128::from(NEXT.fetch_add(1, Ordering::Relaxed));
    Batch::new(CommitId::from_bytes(id.to_be_bytes()))
}

pub fn commit(storage: &impl Storage, account: &AccountId, batch: &Batch) -> Committed {
    wait(storage.commit(account, batch)).unwrap()
}

/// Puts a value where `expected` must be, and tells the record's new revision.
pub fn put(
    storage: &impl Storage,
    account: &AccountId,
    key: &Key,
    expected: Option<Revision>,
    value: &str,
) -> Revision {
    let mut batch = batch();
    batch.put(key.clone(), expected, text(value));
    assert_eq!(commit(storage, account, &batch), Committed::Applied);
    batch.id().into()
}

pub fn query(records: &[&Key], partitions: &[&str]) -> Query {
    let mut query = Query::new();
    query.records.extend(records.iter().map(|key| (*key).clone()));
    let names = partitions.iter().map(|name| Name::new(name).unwrap());
    query.partitions.extend(names);
    query
}

pub fn load(storage: &impl Storage, account: &AccountId, query: &Query) -> Snapshot {
    wait(storage.load(account, query)).unwrap()
}

pub fn record(storage: &impl Storage, account: &AccountId, key: &Key) -> Option<Record> {
    load(storage, account, &query(&[key], &[])).records.remove(key)
}

pub fn value(storage: &impl Storage, account: &AccountId, key: &Key) -> Option<String> {
    let record = record(storage, account, key)?;
    Some(String::from_utf8(record.value.as_bytes().to_vec()).unwrap())
}

/// Every record of an account.
pub fn everything(storage: &impl Storage, account: &AccountId) -> Snapshot {
    let listed = wait(storage.records(account, None, 1_000)).unwrap();
    assert_eq!(listed.next, None);
    let mut all = Query::new();
    all.records
        .extend(listed.entries.into_iter().map(|info| info.key));
    load(storage, account, &all)
}

/// Something that happens once, in the middle of a call.
type Hook = Mutex<Option<Box<dyn FnOnce() + Send>>>;

/// A storage during whose calls other things happen.
#[derive(Default)]
pub struct Hooked<S> {
    inner: S,
    /// When a load's answer is there, and not yet returned.
    after_load: Hook,
    before_commit: Hook,
    after_commit: Hook,
}

impl<S> Hooked<S> {
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            after_load: Hook::default(),
            before_commit: Hook::default(),
            after_commit: Hook::default(),
        }
    }

    pub fn after_next_load(&self, act: impl FnOnce() + Send + 'static) {
        *self.after_load.lock().unwrap() = Some(Box::new(act));
    }

    pub fn before_next_commit(&self, act: impl FnOnce() + Send + 'static) {
        *self.before_commit.lock().unwrap() = Some(Box::new(act));
    }

    pub fn after_next_commit(&self, act: impl FnOnce() + Send + 'static) {
        *self.after_commit.lock().unwrap() = Some(Box::new(act));
    }

    pub fn inner(&self) -> &S {
        &self.inner
    }
}

fn happen(hook: &Hook) {
    let act = hook.lock().unwrap().take();
    if let Some(act) = act {
        act();
    }
}

impl<S: Storage> Storage for Hooked<S> {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        let loaded = self.inner.load(account, query).await;
        happen(&self.after_load);
        loaded
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        happen(&self.before_commit);
        let committed = self.inner.commit(account, batch).await;
        happen(&self.after_commit);
        committed
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        self.inner.accounts(after, limit).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        self.inner.records(account, after, limit).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.inner.purge(account).await
    }
}
