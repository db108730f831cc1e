//! Sealing a batch, under keys that it expects to be the account's.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use crate::{
    AccountId, Batch, Committed, Companion, CompanionError, ErrorKind, Stake, Storage, StorageError,
    Transactional, WRAPPER_RECORDS, Write,
};

use super::cipher::NONCE;
use super::error::{damaged, keys_keep_changing, not_sealed};
use super::hasher::HashedNames;
use super::keys::{AccountKeys, Secrets, key_record};
use super::value::Sealer;
use super::{ATTEMPTS, Sealed, key_record as wrapping, prf};

const _: () = assert!(WRAPPER_RECORDS >= 1, "the key record is one more");

pub(super) async fn commit<S: Storage>(
    storage: &Sealed<S>,
    account: &AccountId,
    batch: &Batch,
) -> Result<Committed, StorageError> {
    let mut sealing = Sealing::begin(storage, account, batch).await?;
    loop {
        let committed = storage.inner.commit(account, &sealing.seal()?).await?;
        if committed == Committed::Applied || !sealing.is_begun_anew().await? {
            return Ok(committed);
        }
    }
}

/// The same, with writes of the application in the same transaction.
pub(super) async fn commit_with<S, C>(
    storage: &Sealed<S>,
    account: &AccountId,
    batch: &Batch,
    companion: C,
) -> Result<Committed, StorageError>
where
    S: Transactional,
    C: for<'t> FnOnce(&'t mut S::Transaction) -> Companion<'t> + Send,
{
    let mut sealing = Sealing::begin(storage, account, batch).await?;
    let mut companion = Some(companion);
    loop {
        let sealed = sealing.seal()?;
        let once = companion_of::<S, _>(|transaction| match companion.take() {
            Some(companion) => companion(transaction),
            None => Box::pin(async { Err(CompanionError::from("it has run already")) }),
        });
        let committed = storage.inner.commit_with(account, &sealed, once).await?;
        // If it did run, and all vanished with a conflict, it cannot run again: that is for the caller to see to.
        if committed == Committed::Applied || companion.is_none() || !sealing.is_begun_anew().await? {
            return Ok(committed);
        }
    }
}

/// Says for how long what a closure returns lives, which is not seen where it is written.
fn companion_of<S, C>(companion: C) -> C
where
    S: Transactional,
    C: for<'t> FnOnce(&'t mut S::Transaction) -> Companion<'t> + Send,
{
    companion
}

/// A batch, and the keys it is sealed by for now.
struct Sealing<'a, S> {
    storage: &'a Sealed<S>,
    account: &'a AccountId,
    batch: &'a Batch,
    keys: Arc<AccountKeys>,
    attempts: usize,
}

impl<'a, S: Storage> Sealing<'a, S> {
    async fn begin(
        storage: &'a Sealed<S>,
        account: &'a AccountId,
        batch: &'a Batch,
    ) -> Result<Self, StorageError> {
        batch.check()?;
        let keys = match storage.known.get(account) {
            Some(keys) => keys,
            None => keys_for(storage, account, batch).await?,
        };
        Ok(Self {
            storage,
            account,
            batch,
            keys,
            attempts: 1,
        })
    }

    fn seal(&self) -> Result<Batch, StorageError> {
        seal(&self.storage.hashed, &self.keys, self.account, self.batch)
    }

    /// After a conflict, so nothing was written: whether the account has other keys by now, and the same batch shall be
    /// sent again, sealed by those. Otherwise the caller's own expectations were the cause; or the account is purged all
    /// the time, and whoever relied on something had better look again.
    async fn is_begun_anew(&mut self) -> Result<bool, StorageError> {
        let current = keys_for(self.storage, self.account, self.batch).await?;
        let anew = current.revision() != self.keys.revision() && self.attempts < ATTEMPTS;
        self.keys = current;
        self.attempts += 1;
        Ok(anew)
    }
}

/// The keys to seal a batch by: loaded, or created for an account that has none. If a batch has nothing to put into such
/// an account, or relies on something that cannot be there, keys for this one time do: it expects that there are none.
async fn keys_for<S: Storage>(
    storage: &Sealed<S>,
    account: &AccountId,
    batch: &Batch,
) -> Result<Arc<AccountKeys>, StorageError> {
    if let (Some(keys), _) = storage.fetch_keys(account).await? {
        return Ok(keys);
    }
    let puts = |write: &Write| matches!(write, Write::Put(_));
    let begins = batch.stakes().any(|(_, stake)| puts(&stake.write))
        && batch.stakes().all(|(_, stake)| stake.expected.is_none());
    if begins {
        create(storage, account).await
    } else {
        Ok(Arc::new(AccountKeys::new(None, &Secrets::generate()?)))
    }
}

/// Gives an account its first keys, in a commit of their own. If they were part of the caller's batch, and that was
/// answered as applied because it had been sent before, nobody could tell by which keys.
async fn create<S: Storage>(
    storage: &Sealed<S>,
    account: &AccountId,
) -> Result<Arc<AccountKeys>, StorageError> {
    let place = key_record()?;
    for _ in 0..ATTEMPTS {
        let anything = storage.inner.records(account, None, 1).await?;
        if !anything.entries.is_empty() {
            // By now somebody else has created them, or they are records of another kind.
            match storage.fetch_keys(account).await? {
                (Some(keys), _) => return Ok(keys),
                (None, true) if storage.is_stale(account, None).await? => continue,
                // The same record before and after: it was there meanwhile too, and not just purged.
                (None, _) if storage.inner.records(account, None, 1).await? == anything => {
                    return Err(not_sealed());
                }
                (None, _) => continue,
            }
        }
        let secrets = Secrets::generate()?;
        let id = prf::random_id()?;
        let master = storage.keyring.current();
        let record = wrapping::wrap(&secrets, master, account, &place, &id.into())?;
        let mut first = Batch::new(id);
        first.put(place.clone(), None, record);
        if commit_for_certain(&storage.inner, account, &first).await? == Committed::Applied {
            let keys = Arc::new(AccountKeys::new(Some(id.into()), &secrets));
            storage.known.set(account, &keys);
            return Ok(keys);
        }
        if let (Some(keys), _) = storage.fetch_keys(account).await? {
            return Ok(keys);
        }
    }
    Err(keys_keep_changing())
}

/// Commits a batch of the wrapper's own. If the answer is lost it asks again, and if that does not help, says that the
/// storage cannot be reached: the caller's batch was not sent yet.
pub(super) async fn commit_for_certain<S: Storage>(
    inner: &S,
    account: &AccountId,
    batch: &Batch,
) -> Result<Committed, StorageError> {
    let mut answer = inner.commit(account, batch).await;
    for _ in 0..2 {
        match &answer {
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                answer = inner.commit(account, batch).await;
            }
            _ => break,
        }
    }
    answer.map_err(|error| match error.kind() {
        ErrorKind::OutcomeUnknown => StorageError::new(
            ErrorKind::Unavailable,
            "whether the keys of the account were written is not known yet",
        )
        .with_source(error),
        _ => error,
    })
}

/// The batch as the storage inside gets it.
fn seal(
    hashed: &HashedNames,
    keys: &AccountKeys,
    account: &AccountId,
    batch: &Batch,
) -> Result<Batch, StorageError> {
    let hashed = hashed.hash(keys.names(), |hasher| {
        let names = batch.stakes().map(|(key, _)| hasher.key(key));
        names.collect::<Result<Vec<_>, _>>()
    })?;
    let mut stakes: Vec<_> = batch.stakes().zip(hashed).collect();
    stakes.sort_unstable_by_key(|(_, hashed)| hashed.order);

    let mut sealer = Sealer::new(keys, account, batch.id().into())?;
    let mut nonces = vec![0; batch.writes() * NONCE];
    prf::fill(&mut nonces)?;
    let mut nonces = nonces.as_chunks().0.iter();
    let mut sealed = Vec::with_capacity(stakes.len() + 1);
    for ((key, stake), hashed) in stakes {
        let (expected, hashed) = (stake.expected, hashed.key);
        let write = match &stake.write {
            Write::Keep => Write::Keep,
            Write::Delete => Write::Delete,
            Write::Put(value) => {
                let nonce = nonces.next().ok_or_else(|| damaged("a batch"))?;
                Write::Put(sealer.seal(key, &hashed, value, nonce)?)
            }
        };
        sealed.push((hashed, Stake { expected, write }));
    }
    let unchanged = Stake {
        expected: keys.revision(),
        write: Write::Keep,
    };
    sealed.push((key_record()?, unchanged));
    Ok(batch.wrapping(sealed))
}
