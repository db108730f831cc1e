//! A storage that does not always answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use omemo_storage::{
    AccountId, Batch, Committed, Cursor, ErrorKind, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};
use omemo_storage_memory::MemoryStorage;

/// How often each of these still happens.
#[derive(Default)]
pub(super) struct Trouble {
    /// A commit goes through, and never answers.
    pub(super) mute: AtomicU32,
    /// A commit goes through, and its answer is lost. From then on so many loads fail.
    pub(super) lost: AtomicU32,
    pub(super) unread_after: AtomicU32,
    /// A commit fails, and says so.
    pub(super) refused: AtomicU32,
    /// A commit meets a conflict: its id is forgotten.
    pub(super) conflict: AtomicU32,
    /// A load fails. The last of them fails the test.
    pub(super) unread: AtomicU32,
}

fn happens(trouble: &AtomicU32) -> bool {
    let less = |left: u32| left.checked_sub(1);
    trouble
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
        .is_ok()
}

#[derive(Clone, Default)]
pub(super) struct Troubled {
    inner: MemoryStorage,
    pub(super) trouble: Arc<Trouble>,
}

fn unavailable() -> StorageError {
    StorageError::new(ErrorKind::Unavailable, "not now")
}

impl Storage for Troubled {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        if happens(&self.trouble.unread) {
            let left = self.trouble.unread.load(Ordering::SeqCst);
            assert!(left > 0, "a storage that does not answer was asked without end");
            return Err(unavailable());
        }
        self.inner.load(account, query).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        if happens(&self.trouble.mute) {
            let _ = self.inner.commit(account, batch).await?;
            return std::future::pending().await;
        }
        if happens(&self.trouble.lost) {
            let _ = self.inner.commit(account, batch).await?;
            let unread = self.trouble.unread_after.load(Ordering::SeqCst);
            self.trouble.unread.store(unread, Ordering::SeqCst);
            return Err(StorageError::new(ErrorKind::OutcomeUnknown, "lost"));
        }
        if happens(&self.trouble.refused) {
            return Err(unavailable());
        }
        if happens(&self.trouble.conflict) {
            return Ok(Committed::Conflict);
        }
        self.inner.commit(account, batch).await
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
