//! A storage that counts how its calls end.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use omemo_storage::{
    AccountId, AnyStorage, Batch, Committed, Cursor, ErrorKind, Page, Query, RecordInfo, Snapshot, Storage,
    StorageError,
};

/// How calls of the storage ended that did not end well.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// Commits that met a conflict.
    pub(crate) conflicts: AtomicUsize,
    /// Commits whose answer was lost.
    pub(crate) unknown: AtomicUsize,
    /// Calls that were not possible.
    pub(crate) unavailable: AtomicUsize,
    /// Commits for which there was no room.
    pub(crate) full: AtomicUsize,
}

impl Troubles {
    pub(crate) fn conflicts(&self) -> usize {
        self.conflicts.load(Ordering::SeqCst)
    }

    pub(crate) fn unknown(&self) -> usize {
        self.unknown.load(Ordering::SeqCst)
    }

    pub(crate) fn full(&self) -> usize {
        self.full.load(Ordering::SeqCst)
    }

    /// All but conflicts.
    pub(crate) fn failures(&self) -> usize {
        let counts = [&self.unknown, &self.unavailable, &self.full];
        counts.map(|count| count.load(Ordering::SeqCst)).iter().sum()
    }
}

impl fmt::Display for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            conflicts,
            unknown,
            unavailable,
            full,
        } = self;
        let [conflicts, unknown, unavailable, full] =
            [conflicts, unknown, unavailable, full].map(|count| count.load(Ordering::SeqCst));
        write!(
            f,
            "{conflicts} conflicts, {unknown} unknown outcomes, {unavailable} unavailable, {full} full"
        )
    }
}

pub(crate) struct Watched {
    storage: AnyStorage,
    troubles: Arc<Troubles>,
}

impl Watched {
    pub(crate) fn new(storage: AnyStorage, troubles: Arc<Troubles>) -> Self {
        Self { storage, troubles }
    }

    fn note<T>(&self, ended: Result<T, StorageError>) -> Result<T, StorageError> {
        if let Err(error) = &ended {
            let count = match error.kind() {
                ErrorKind::OutcomeUnknown => &self.troubles.unknown,
                ErrorKind::Full => &self.troubles.full,
                _ => &self.troubles.unavailable,
            };
            count.fetch_add(1, Ordering::SeqCst);
        }
        ended
    }
}

impl Storage for Watched {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        self.note(self.storage.load(account, query).await)
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        let committed = self.note(self.storage.commit(account, batch).await)?;
        if committed == Committed::Conflict {
            self.troubles.conflicts.fetch_add(1, Ordering::SeqCst);
        }
        Ok(committed)
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
