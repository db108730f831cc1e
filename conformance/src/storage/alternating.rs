//! A storage that reaches its data by several ways in turn.

use std::sync::atomic::{AtomicUsize, Ordering};

use omemo_storage::{
    AccountId, Batch, Committed, Cursor, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};

/// Several openings of one storage: each call goes to the next of them. What one wrote, the others must see.
#[derive(Debug)]
pub struct Alternating<S> {
    openings: Vec<S>,
    calls: AtomicUsize,
}

impl<S> Alternating<S> {
    /// Joins openings of one storage; there must be one at least.
    pub fn new(openings: Vec<S>) -> Self {
        let calls = AtomicUsize::new(0);
        Self { openings, calls }
    }

    fn next(&self) -> &S {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        &self.openings[call % self.openings.len()]
    }
}

impl<S: Storage> Storage for Alternating<S> {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        self.next().load(account, query).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        self.next().commit(account, batch).await
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        self.next().accounts(after, limit).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        self.next().records(account, after, limit).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.next().purge(account).await
    }
}
