//! Applying a batch.

use std::collections::{BTreeSet, VecDeque};

use omemo_storage::{Batch, CommitId, Committed, Key, Record, Revision, Write};

use crate::Account;

/// How many of its last commits each account remembers by their ids: 4,096.
pub const REMEMBERED_COMMITS: usize = 4_096;

impl Account {
    pub(crate) fn commit(&mut self, batch: &Batch) -> Committed {
        if self.commits.contains(batch.id()) {
            return Committed::Applied;
        }
        if batch
            .stakes()
            .any(|(key, stake)| self.revision(key) != stake.expected)
        {
            return Committed::Conflict;
        }
        for (key, stake) in batch.stakes() {
            match &stake.write {
                Write::Keep => {}
                Write::Put(value) => {
                    let record = Record {
                        revision: batch.id().into(),
                        value: value.clone(),
                    };
                    self.insert(key, record);
                }
                Write::Delete => self.remove(key),
            }
        }
        self.commits.insert(batch.id());
        Committed::Applied
    }

    fn revision(&self, key: &Key) -> Option<Revision> {
        let record = self.partitions.get(&key.partition)?.get(&key.item)?;
        Some(record.revision)
    }

    fn insert(&mut self, key: &Key, record: Record) {
        let items = self.partitions.entry(key.partition.clone()).or_default();
        items.insert(key.item.clone(), record);
    }

    fn remove(&mut self, key: &Key) {
        if let Some(items) = self.partitions.get_mut(&key.partition) {
            items.remove(&key.item);
            if items.is_empty() {
                self.partitions.remove(&key.partition);
            }
        }
    }
}

/// The ids of the last commits that were applied.
#[derive(Default)]
pub(crate) struct Remembered {
    ids: BTreeSet<CommitId>,
    oldest_first: VecDeque<CommitId>,
}

impl Remembered {
    fn contains(&self, id: CommitId) -> bool {
        self.ids.contains(&id)
    }

    fn insert(&mut self, id: CommitId) {
        self.ids.insert(id);
        self.oldest_first.push_back(id);
        if self.oldest_first.len() > REMEMBERED_COMMITS
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}
