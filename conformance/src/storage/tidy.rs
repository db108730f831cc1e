//! Leaving the storage as it was found.

use std::collections::BTreeSet;
use std::future::Future;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use omemo_storage::{
    AccountId, Batch, Committed, Cursor, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};

use super::factory::{Capabilities, Factory};

/// The accounts that were written to.
type Accounts = Arc<Mutex<BTreeSet<AccountId>>>;

/// A factory that remembers which accounts were written to through its handles, to purge them at the end.
#[derive(Debug)]
pub(super) struct Tidy<F> {
    factory: F,
    accounts: Accounts,
}

impl<F: Factory> Tidy<F> {
    pub(super) fn new(factory: F) -> Self {
        let accounts = Accounts::default();
        Self { factory, accounts }
    }

    /// Purges every account that was written to, and checks that nothing of them is left.
    pub(super) async fn clean(&self) {
        let accounts = std::mem::take(&mut *locked(&self.accounts));
        if accounts.is_empty() {
            return;
        }
        let storage = self.factory.open().await.unwrap();
        for account in &accounts {
            storage.purge(account).await.unwrap();
            let left = storage.records(account, None, 1).await.unwrap();
            assert!(left.entries.is_empty(), "a purged account still has records");
        }
    }
}

fn locked(accounts: &Accounts) -> std::sync::MutexGuard<'_, BTreeSet<AccountId>> {
    accounts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<F: Factory> Factory for Tidy<F> {
    type Storage = Tidied<F::Storage>;

    async fn open(&self) -> Result<Self::Storage, StorageError> {
        let storage = self.factory.open().await?;
        let accounts = self.accounts.clone();
        Ok(Tidied { storage, accounts })
    }

    fn capabilities(&self) -> Capabilities {
        self.factory.capabilities()
    }

    fn writer(&self) -> Command {
        self.factory.writer()
    }

    fn restart(&self) -> impl Future<Output = ()> + Send {
        self.factory.restart()
    }

    fn cut(&self) -> impl Future<Output = ()> + Send {
        self.factory.cut()
    }
}

/// A handle that remembers which accounts are written to.
#[derive(Debug)]
pub(super) struct Tidied<S> {
    storage: S,
    accounts: Accounts,
}

impl<S: Storage> Storage for Tidied<S> {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        self.storage.load(account, query).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        locked(&self.accounts).insert(account.clone());
        self.storage.commit(account, batch).await
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
        self.storage.records(account, after, limit).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.storage.purge(account).await
    }
}
