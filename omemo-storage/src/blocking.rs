//! The blocking twin of the contract, for code without an executor.

use crate::{AccountId, Batch, Committed, Cursor, Page, Query, RecordInfo, Snapshot, StorageError};

pub use crate::waiting::{Park, park_with, wait};

/// [`crate::Storage`] for blocking code: the same calls, the same promises.
pub trait Storage: Send + Sync {
    /// See [`crate::Storage::load`].
    ///
    /// # Errors
    ///
    /// As there.
    fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError>;

    /// See [`crate::Storage::commit`].
    ///
    /// # Errors
    ///
    /// As there.
    fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError>;

    /// See [`crate::Storage::accounts`].
    ///
    /// # Errors
    ///
    /// As there.
    fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError>;

    /// See [`crate::Storage::records`].
    ///
    /// # Errors
    ///
    /// As there.
    fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError>;

    /// See [`crate::Storage::purge`].
    ///
    /// # Errors
    ///
    /// As there.
    fn purge(&self, account: &AccountId) -> Result<(), StorageError>;
}

/// Every storage of this project runs on any executor, so waiting on the calling thread is all its blocking twin needs.
impl<S: crate::Storage> Storage for S {
    fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        wait(crate::Storage::load(self, account, query))
    }

    fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        wait(crate::Storage::commit(self, account, batch))
    }

    fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        wait(crate::Storage::accounts(self, after, limit))
    }

    fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        wait(crate::Storage::records(self, account, after, limit))
    }

    fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        wait(crate::Storage::purge(self, account))
    }
}

/// A blocking storage where an async one is asked for: each call runs to its end in the first poll. For storages that
/// answer at once (memory), or where blocking the executor's thread is acceptable.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline<S>(pub S);

impl<S: Storage> crate::Storage for Inline<S> {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        self.0.load(account, query)
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        self.0.commit(account, batch)
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        self.0.accounts(after, limit)
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        self.0.records(account, after, limit)
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.0.purge(account)
    }
}
