//! A storage that counts what goes through it.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::{
    AccountId, Batch, Committed, Cursor, Page, Query, RecordInfo, Snapshot, Storage, StorageError, Write,
};

/// Counts the calls of the storage it wraps, for tests and for people who want to see what an operation costs.
#[derive(Debug, Default)]
pub struct Metered<S> {
    inner: S,
    loads: AtomicU64,
    commits: AtomicU64,
    conflicts: AtomicU64,
    records_written: AtomicU64,
    bytes_written: AtomicU64,
}

/// What a [`Metered`] storage has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of [`Storage::load`].
    pub loads: u64,
    /// Calls of [`Storage::commit`].
    pub commits: u64,
    /// Commits among them that ended in a conflict.
    pub conflicts: u64,
    /// Records put or deleted by batches that were applied.
    pub records_written: u64,
    /// Bytes of the values put by batches that were applied.
    pub bytes_written: u64,
}

impl<S> Metered<S> {
    /// Wraps a storage, with all counts at zero.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            loads: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
            records_written: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
        }
    }

    /// What was counted since the last call; the counts start again at zero.
    pub fn take(&self) -> Counts {
        Counts {
            loads: self.loads.swap(0, Ordering::Relaxed),
            commits: self.commits.swap(0, Ordering::Relaxed),
            conflicts: self.conflicts.swap(0, Ordering::Relaxed),
            records_written: self.records_written.swap(0, Ordering::Relaxed),
            bytes_written: self.bytes_written.swap(0, Ordering::Relaxed),
        }
    }

    /// The storage inside.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn count_writes(&self, batch: &Batch) {
        for (_, stake) in batch.stakes() {
            if let Write::Put(value) = &stake.write {
                self.bytes_written
                    .fetch_add(value.len() as u64, Ordering::Relaxed);
            }
        }
        self.records_written
            .fetch_add(batch.writes() as u64, Ordering::Relaxed);
    }
}

impl<S: Storage> Storage for Metered<S> {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        self.inner.load(account, query).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        let committed = self.inner.commit(account, batch).await?;
        match committed {
            Committed::Applied => self.count_writes(batch),
            Committed::Conflict => {
                self.conflicts.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(committed)
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
