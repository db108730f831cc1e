//! A storage whose calls are timed, to tell where a message's time goes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use omemo_storage::{
    AccountId, Batch, Committed, Cursor, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};

/// Passes every call on. It looks at them only when it is told to, since that takes time too.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    inner: S,
    watching: AtomicBool,
    seen: Mutex<Seen>,
}

/// The least that a load and a commit took, in nanoseconds, and what the last load brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) load_ns: u64,
    pub(crate) commit_ns: u64,
    pub(crate) records_loaded: u64,
    pub(crate) bytes_loaded: u64,
}

impl Seen {
    const NOTHING: Self = Self {
        load_ns: u64::MAX,
        commit_ns: u64::MAX,
        records_loaded: 0,
        bytes_loaded: 0,
    };
}

impl<S> Watched<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            watching: AtomicBool::new(false),
            seen: Mutex::new(Seen::NOTHING),
        }
    }

    /// What is seen of the calls that `work` makes.
    pub(crate) fn watch<E>(&self, work: impl FnOnce() -> Result<(), E>) -> Result<Seen, E> {
        self.watching.store(true, Ordering::Relaxed);
        let worked = work();
        self.watching.store(false, Ordering::Relaxed);
        worked.map(|()| std::mem::replace(&mut *self.seen(), Seen::NOTHING))
    }

    fn is_watching(&self) -> bool {
        self.watching.load(Ordering::Relaxed)
    }

    /// The storage inside.
    pub(crate) fn inner(&self) -> &S {
        &self.inner
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Storage> Storage for Watched<S> {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        if !self.is_watching() {
            return self.inner.load(account, query).await;
        }
        let begun = Instant::now();
        let snapshot = self.inner.load(account, query).await?;
        let taken = nanoseconds(begun);
        let values = snapshot.records.values();
        let bytes: usize = values.map(|record| record.value.len()).sum();
        let mut seen = self.seen();
        seen.load_ns = seen.load_ns.min(taken);
        seen.records_loaded = snapshot.records.len() as u64;
        seen.bytes_loaded = bytes as u64;
        drop(seen);
        Ok(snapshot)
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        if !self.is_watching() {
            return self.inner.commit(account, batch).await;
        }
        let begun = Instant::now();
        let committed = self.inner.commit(account, batch).await?;
        let taken = nanoseconds(begun);
        let mut seen = self.seen();
        seen.commit_ns = seen.commit_ns.min(taken);
        drop(seen);
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

fn nanoseconds(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
