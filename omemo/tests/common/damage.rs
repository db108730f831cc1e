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
    let account = AccountId::new(account).unwrap();
    let key = Key::new(&format!("contact/{contact}"), "contact").unwrap();
    let mut query = Query::new();
    query.records.insert(key.clone());
    let stored = wait(storage.load(&account, &query)).unwrap().records[&key].clone();
    let mut id = [0; 16];
    getrandom::fill(&mut id).unwrap();
    let mut batch = Batch::new(CommitId::from_bytes(id));
    let value = Value::from(by(stored.value.as_bytes()));
    batch.put(key, Some(stored.revision), value);
    assert_eq!(
        wait(storage.commit(&account, &batch)).unwrap(),
        Committed::Applied
    );
    stored.value
}
