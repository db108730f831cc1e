//! Encryption at rest, over any storage.

mod admin;
mod cipher;
mod commit;
mod error;
mod hasher;
mod key_record;
mod keys;
mod known;
mod load;
mod master;
mod names;
mod open;
mod place;
mod prf;
mod rekey;
mod value;

use core::fmt;
use core::num::NonZeroUsize;

use crate::{
    AccountId, Batch, Committed, Companion, Cursor, Key, Page, Query, RecordInfo, Snapshot, Storage,
    StorageError, Transactional,
};

use hasher::HashedNames;
use known::Known;

pub use master::{Keyring, MasterKey};
pub use rekey::{Rekeyed, RekeyedAll};

/// How many accounts' keys a [`Sealed`] keeps in memory unless it is told otherwise: 4,096, of about 400 bytes each.
const KNOWN_ACCOUNTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_095);

/// How often a call begins again because an account's keys were replaced meanwhile. A rotation makes it do so once; only
/// whoever purges an account that others write to, again and again, makes it do so more than twice.
const ATTEMPTS: usize = 64;

/// Encrypts all that a storage holds: values and the names of partitions and items, with AES-256-GCM. Sizes, revisions
/// and the names of accounts stay readable.
///
/// ```
/// # use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Value, blocking::Storage};
/// # use omemo_storage_memory::MemoryStorage;
/// use omemo_storage::{Keyring, MasterKey, Sealed};
///
/// let inner = MemoryStorage::new();
/// let master = MasterKey::from_bytes([7; 32]); // Random bytes from wherever secrets are kept.
/// let storage = Sealed::new(inner.clone(), Keyring::new(master));
///
/// let account = AccountId::new("romeo@montague.lit")?;
/// let mut batch = Batch::new(CommitId::from_bytes([7; 16]));
/// batch.put(Key::new("contact/juliet@capulet.lit", "contact")?, None, Value::from(b"opaque".to_vec()));
/// assert_eq!(storage.commit(&account, &batch)?, Committed::Applied);
///
/// let names = |records: Vec<omemo_storage::RecordInfo>| {
///     records.iter().map(|record| record.key.partition.to_string()).collect::<Vec<_>>()
/// };
/// let sealed = names(inner.records(&account, None, 10)?.entries);
/// let real = names(storage.records(&account, None, 10)?.entries);
/// assert!(!sealed.contains(&"contact/juliet@capulet.lit".to_owned()));
/// assert_eq!(real, ["contact/juliet@capulet.lit"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Keys
///
/// Each account has keys of its own, drawn at random: one that names are hashed by (HMAC-SHA-256), and data keys, which
/// have numbers. They lie in one record of the account, wrapped by the [`MasterKey`], so that a new master key means
/// writing one record an account, see [`Sealed::rekey`]. Every commit has a key of its own, made of the newest data key
/// and the commit's id, and every value a random nonce. So there is no number of messages after which keys would have to
/// be replaced, a batch that is sent again may be sealed again, and even an id used for two batches would give nothing
/// away. Each value is bound to its account, its names and its revision: one moved, renamed, or given to another account
/// does not open.
///
/// The keys of accounts used of late stay in memory. Every load shows whether they are still the account's keys, and
/// every commit expects it. So whoever rotates keys, purges accounts or creates them at the same time, from whichever
/// process, nothing is written by keys that do not count.
///
/// # Costs
///
/// One load and one commit of the storage inside for each, once an account's keys are in memory. An account's first use
/// costs one load more, and the first that is ever written one commit more, before its own. A commit that ends in a
/// conflict costs one load, to know whether the keys were the cause. A listing of records also loads them, since the names
/// are within; a listing of accounts asks for two records of each, to leave out those that have nothing but keys. A
/// value grows by 37 bytes and its names.
///
/// # What it does not do
///
/// It does not show that old state was put back: a record together with its revision, or the whole database, is as valid
/// as on its day. It hides neither how many records an account has, nor their sizes, nor when which of them change. It
/// does not notice a removed record. Whoever opens a sealed storage without sealing sees an account without any of the
/// records it looks for; the other way around, an account written without sealing is refused when it is written.
///
/// Beside [`Cached`](crate::Cached), put the cache outside: `Cached<Sealed<S>>` decrypts what it keeps only once. Inside it
/// works as well, and keeps what is sealed.
pub struct Sealed<S> {
    inner: S,
    keyring: Keyring,
    known: Known,
    hashed: HashedNames,
}

impl<S> Sealed<S> {
    /// Seals a storage by the current key of a keyring; accounts wrapped by its older keys can be used as well.
    pub fn new(inner: S, keyring: impl Into<Keyring>) -> Self {
        Self {
            inner,
            keyring: keyring.into(),
            known: Known::new(KNOWN_ACCOUNTS),
            hashed: HashedNames::new(),
        }
    }

    /// How many accounts' keys are kept in memory; 4,096 unless set here.
    #[must_use]
    pub fn known_accounts(mut self, accounts: NonZeroUsize) -> Self {
        self.known = Known::new(accounts);
        self
    }

    /// The storage inside.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S> fmt::Debug for Sealed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Storage> Storage for Sealed<S> {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        load::load(self, account, query).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        commit::commit(self, account, batch).await
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        admin::accounts(self, after, limit).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        admin::records(self, account, after, limit).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        let purged = self.inner.purge(account).await;
        self.known.forget(account);
        purged
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Transactional> Transactional for Sealed<S> {
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
        commit::commit_with(self, account, batch, companion).await
    }
}

/// A query for an account's keys alone.
fn key_query(place: &Key) -> Query {
    let mut query = Query::new();
    query.records.insert(place.clone());
    query
}
