//! A storage whose type is chosen at run time.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::future::Future;
use core::pin::Pin;

use crate::{AccountId, Batch, Committed, Cursor, Page, Query, RecordInfo, Snapshot, Storage, StorageError};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 'a>>;

/// Object-safe twin of [`Storage`].
trait Erased: Send + Sync {
    fn load<'a>(&'a self, account: &'a AccountId, query: &'a Query) -> Answer<'a, Snapshot>;
    fn commit<'a>(&'a self, account: &'a AccountId, batch: &'a Batch) -> Answer<'a, Committed>;
    fn accounts<'a>(&'a self, after: Option<&'a Cursor>, limit: usize) -> Answer<'a, Page<AccountId>>;
    fn records<'a>(
        &'a self,
        account: &'a AccountId,
        after: Option<&'a Cursor>,
        limit: usize,
    ) -> Answer<'a, Page<RecordInfo>>;
    fn purge<'a>(&'a self, account: &'a AccountId) -> Answer<'a, ()>;
}

impl<S: Storage> Erased for S {
    fn load<'a>(&'a self, account: &'a AccountId, query: &'a Query) -> Answer<'a, Snapshot> {
        Box::pin(Storage::load(self, account, query))
    }

    fn commit<'a>(&'a self, account: &'a AccountId, batch: &'a Batch) -> Answer<'a, Committed> {
        Box::pin(Storage::commit(self, account, batch))
    }

    fn accounts<'a>(&'a self, after: Option<&'a Cursor>, limit: usize) -> Answer<'a, Page<AccountId>> {
        Box::pin(Storage::accounts(self, after, limit))
    }

    fn records<'a>(
        &'a self,
        account: &'a AccountId,
        after: Option<&'a Cursor>,
        limit: usize,
    ) -> Answer<'a, Page<RecordInfo>> {
        Box::pin(Storage::records(self, account, after, limit))
    }

    fn purge<'a>(&'a self, account: &'a AccountId) -> Answer<'a, ()> {
        Box::pin(Storage::purge(self, account))
    }
}

/// Any storage behind one type, for a program that chooses by URL. Cloning shares the storage.
#[derive(Clone)]
pub struct AnyStorage(Arc<dyn Erased>);

impl AnyStorage {
    /// Wraps a storage.
    pub fn new(storage: impl Storage + 'static) -> Self {
        Self(Arc::new(storage))
    }
}

impl core::fmt::Debug for AnyStorage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("AnyStorage")
    }
}

impl Storage for AnyStorage {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        self.0.load(account, query).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        self.0.commit(account, batch).await
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        self.0.accounts(after, limit).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        self.0.records(account, after, limit).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.0.purge(account).await
    }
}

/// A shared storage is a storage.
impl<S: Storage> Storage for Arc<S> {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        (**self).load(account, query).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        (**self).commit(account, batch).await
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        (**self).accounts(after, limit).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        (**self).records(account, after, limit).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        (**self).purge(account).await
    }
}
