//! The protocol bears a fault at each of its effects on this storage.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::Schema;
use omemo_conformance::faults;
use omemo_storage::blocking::wait;
use omemo_storage::{
    AccountId, Batch, Committed, Cursor, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};
use omemo_storage_postgres::PostgresStorage;

/// A part of the database for one device in one telling: its accounts have names of their own.
struct Part {
    storage: PostgresStorage,
    name: String,
}

impl Part {
    fn named(&self, account: &AccountId) -> AccountId {
        AccountId::new(&format!("{account} {}", self.name)).unwrap()
    }
}

impl Storage for Part {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        self.storage.load(&self.named(account), query).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        self.storage.commit(&self.named(account), batch).await
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        self.storage.accounts(after, limit).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        self.storage.records(&self.named(account), after, limit).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.storage.purge(&self.named(account)).await
    }
}

#[test]
fn every_effect_may_go_wrong() {
    let schema = Schema::new();
    let tried = faults::at_every_effect(|run, device| {
        // It is the process that dies here, never the machine: nothing has to wait for the disk.
        let options = schema.options().allow_volatile().connections(1);
        Part {
            storage: wait(options.open()).unwrap(),
            name: format!("{run}-{device}"),
        }
    });
    println!("{tried:?}");
    assert!(tried.effects > 700 && tried.commits > 200, "{tried:?}");
    assert_eq!(tried.faults, tried.possible);
}
