//! Records of contacts, damaged behind the client's back.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

use omemo::blocking::wait;
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Query, Storage, Value};

/// Leaves half of what `account` knows of a contact; what it was before.
pub fn damage(storage: &impl Storage, account: &str, contact: &str) -> Value {
    overwrite(storage, account, contact, |stored| {
        stored[..stored.len() / 2].to_vec()
    })
}

/// Replaces what `account` knows of a contact; what it was before.
pub fn overwrite(
    storage: &impl Storage,
    account: &str,
    contact: &str,
    by: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Value {
    let key = Key::new(&format!("contact/{contact}"), "contact").unwrap();
    overwrite_record(storage, account, &key, by)
}

/// Leaves half of a record.
pub fn damage_record(storage: &impl Storage, account: &str, partition: &str, item: &str) {
    let key = Key::new(partition, item).unwrap();
    overwrite_record(storage, account, &key, |stored| {
        stored[..stored.len() / 2].to_vec()
    });
}

/// Replaces a record; what it was before.
pub fn overwrite_record(
    storage: &impl Storage,
    account: &str,
    key: &Key,
    by: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Value {
    let account = AccountId::new(account).unwrap();
    let mut query = Query::new();
    query.records.insert(key.clone());
    let stored = wait(storage.load(&account, &query)).unwrap().records[key].clone();
    let mut batch = Batch::new(commit_id());
    let value = Value::from(by(stored.value.as_bytes()));
    batch.put(key.clone(), Some(stored.revision), value);
    commit(storage, &account, &batch);
    stored.value
}

fn commit_id() -> CommitId {
    let mut id = [0; 16];
    getrandom::fill(&mut id).unwrap();
    CommitId::from_bytes(id)
}

fn commit(storage: &impl Storage, account: &AccountId, batch: &Batch) {
    assert_eq!(wait(storage.commit(account, batch)).unwrap(), Committed::Applied);
}
