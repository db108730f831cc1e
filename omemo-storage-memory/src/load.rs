//! Answering a query.

use omemo_storage::{Key, Query, Snapshot};

use crate::Account;

impl Account {
    pub(crate) fn load(&self, query: &Query) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for partition in &query.partitions {
            for (item, record) in self.partitions.get(partition).into_iter().flatten() {
                let key = Key {
                    partition: partition.clone(),
                    item: item.clone(),
                };
                snapshot.records.insert(key, record.clone());
            }
        }
        for key in &query.records {
            let items = self.partitions.get(&key.partition);
            if let Some(record) = items.and_then(|items| items.get(&key.item)) {
                snapshot.records.insert(key.clone(), record.clone());
            }
        }
        snapshot
    }
}
