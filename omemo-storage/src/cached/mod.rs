//! What was read stays in memory, over any storage.

mod cell;
mod flight;
mod sent;
mod slots;
mod state;

use core::fmt;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    AccountId, Batch, Committed, Companion, Cursor, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
    Transactional,
};

use flight::Flight;
use state::{Found, State};

/// How many bytes a [`Cached`] keeps unless it is told otherwise: 64 MiB.
const CAPACITY: usize = 64 << 20;

/// Keeps in memory what it has read and written, partition by partition, and forgets first what was not used for
/// longest. A load that finds everything there does not reach the storage inside.
///
/// ```
/// use omemo_storage::{AccountId, Cached, Metered, Name, Query, Storage, blocking};
/// # use omemo_storage_memory::MemoryStorage;
///
/// let storage = Cached::new(Metered::new(MemoryStorage::new())).capacity(16 << 20);
/// let account = AccountId::new("romeo@montague.lit")?;
/// let mut query = Query::new();
/// query.partitions.insert(Name::new("contact/juliet@capulet.lit")?);
/// for from_cache in [false, true, true] {
///     let snapshot = blocking::wait(storage.load(&account, &query))?;
///     assert_eq!(snapshot.from_cache, from_cache);
/// }
/// assert_eq!(storage.inner().take().loads, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What may be stale
///
/// Whatever is written through this handle or its clones in an [`Arc`](alloc::sync::Arc) is seen by it at once, so as long
/// as nobody else writes, answers are those of the storage inside. What other handles, processes or machines write is not
/// seen before it is asked for afresh. That does no harm: [`Snapshot::from_cache`] tells whoever asked, every commit
/// expects the revisions that it relied on, and a conflict drops all that the batch names, with its partitions, so that
/// the next attempt reads it afresh. A partition that is kept whole may lack an item that another process has added, until
/// one of its records is part of a conflict; the protocol core decides nothing by the set of items in a partition. Where that is
/// too long, [`Cached::max_age`] bounds it.
///
/// A load that finds only part of what it asks for gets the rest from the storage inside, in one load, and joins the two.
/// Unless others write meanwhile, that is one moment's state; if it was this handle that wrote, everything is loaded again.
///
/// # What is kept
///
/// Records as they were loaded, and that a record is absent. A batch that was applied leaves what it wrote, where the
/// record was known to be what the batch relied on. One that ended in any other way, or whose future was dropped, takes
/// along every partition it names. A batch that is sent again does as well, since nobody knows when it was applied; the
/// last 16,384 ids are remembered for that. So does a batch that replaces or deletes nothing that is kept: one that only
/// creates may have been sent before by another handle, and what it created deleted since.
///
/// Values are wiped from memory when they are forgotten. Beside [`Sealed`](crate::Sealed), put the cache outside, as
/// `Cached<Sealed<S>>`: it then keeps what was decrypted, and in plain.
pub struct Cached<S> {
    inner: S,
    state: Mutex<State>,
}

impl<S> Cached<S> {
    /// Puts a cache of 64 MiB before a storage.
    pub fn new(inner: S) -> Self {
        let state = Mutex::new(State::new(CAPACITY));
        Self { inner, state }
    }

    /// How many bytes it may keep: values, names, and a little for what is around them.
    #[must_use]
    pub fn capacity(self, bytes: usize) -> Self {
        self.lock().set_capacity(bytes);
        self
    }

    /// For how long a partition may be kept. Without it, which is how it is unless set here, for as long as there is room
    /// for it.
    #[must_use]
    pub fn max_age(self, age: Duration) -> Self {
        self.lock().set_max_age(age);
        self
    }

    /// The storage inside.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Nothing here panics half-way through a change, so a poisoned lock protects sound data.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cached")
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Storage> Storage for Cached<S> {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        let Found {
            mut records,
            missing,
            any,
            stamp,
        } = self.lock().find(account, query);
        if any && missing.is_empty() {
            return Ok(Snapshot {
                records,
                from_cache: true,
            });
        }
        let mut loaded = self.inner.load(account, &missing).await?;
        let calm = self.lock().take_in(account, &missing, &loaded, stamp);
        if any && !calm {
            // One of this handle's commits came in between: the two parts may be of different moments.
            return self.inner.load(account, query).await;
        }
        loaded.from_cache |= any;
        records.append(&mut loaded.records);
        loaded.records = records;
        Ok(loaded)
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        let flight = Flight::of_batch(&self.state, account, batch);
        let committed = self.inner.commit(account, batch).await;
        if matches!(committed, Ok(Committed::Applied)) {
            flight.applied();
        }
        committed
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
        let _flight = Flight::of_account(&self.state, account);
        self.inner.purge(account).await
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Transactional> Transactional for Cached<S> {
    type Transaction = S::Transaction;

    async fn commit_with<C>(
        &self,
        account: &AccountId,
        batch: &Batch,
        companion: C,
    ) -> Result<Committed, StorageError>
    where
        C: for<'t> FnOnce(&'t mut Self::Transaction) -> Companion<'t> + Send,
    {
        let flight = Flight::of_batch(&self.state, account, batch);
        let committed = self.inner.commit_with(account, batch, companion).await;
        if matches!(committed, Ok(Committed::Applied)) {
            flight.applied();
        }
        committed
    }
}
