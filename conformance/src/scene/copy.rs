//! A copy of all that a device has stored, through the storage contract alone.

use std::collections::{BTreeMap, BTreeSet};

use omemo_sansio::{BareJid, contact_of};
use omemo_storage::blocking::wait;
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Query, Record, Storage, Value};

/// The records of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Copy(BTreeMap<Key, Value>);

impl Copy {
    pub(crate) fn of(storage: &impl Storage, account: &AccountId) -> Self {
        let records = stored(storage, account).into_iter();
        Self(records.map(|(key, record)| (key, record.value)).collect())
    }

    /// Every account that something is stored of.
    pub(crate) fn contacts(&self) -> BTreeSet<BareJid> {
        self.0.keys().filter_map(contact_of).collect()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.keys()
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.0.iter()
    }

    /// Whether any session is stored, or what belongs to one.
    pub(crate) fn has_sessions(&self) -> bool {
        let kinds = ["session/", "skipped/", "archive/"];
        let mut items = self.0.keys().map(|key| key.item.as_str());
        items.any(|item| kinds.iter().any(|kind| item.starts_with(kind)))
    }

    /// Puts the copy in place of all that is there. The library is not told.
    pub(crate) fn put_back(&self, storage: &impl Storage, account: &AccountId, id: CommitId) {
        let there = stored(storage, account);
        let mut batch = Batch::new(id);
        for (key, record) in &there {
            batch.delete(key.clone(), Some(record.revision));
        }
        for (key, value) in &self.0 {
            let expected = there.get(key).map(|record| record.revision);
            batch.put(key.clone(), expected, value.clone());
        }
        assert_eq!(wait(storage.commit(account, &batch)).unwrap(), Committed::Applied);
    }
}

/// All that is stored of an account.
pub(crate) fn stored(storage: &impl Storage, account: &AccountId) -> BTreeMap<Key, Record> {
    let mut query = Query::new();
    let mut after = None;
    loop {
        let page = wait(storage.records(account, after.as_ref(), 1_000)).unwrap();
        query
            .records
            .extend(page.entries.into_iter().map(|info| info.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if query.is_empty() {
        return BTreeMap::new();
    }
    wait(storage.load(account, &query)).unwrap().records
}
