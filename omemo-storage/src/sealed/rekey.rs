//! Rotating keys while clients run.

use crate::{AccountId, Batch, Committed, Cursor, Storage, StorageError};

use super::commit::commit_for_certain;
use super::error::keys_keep_changing;
use super::keys::{Secrets, key_record};
use super::{ATTEMPTS, Sealed, key_query, key_record as wrapping, prf};

/// How many accounts are asked for at a time.
const PAGE: usize = 500;

/// What became of an account's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rekeyed {
    /// They were written anew.
    Done,
    /// There was nothing to do: the current master key wraps them already.
    AlreadyCurrent,
    /// The account has no keys, hence no records.
    NoKeys,
}

/// What became of the keys of all accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RekeyedAll {
    /// How many accounts' keys were wrapped anew.
    pub done: u64,
    /// How many were wrapped by the current master key already.
    pub already_current: u64,
    /// How many accounts have no keys, though they are listed: they were written without sealing, or purged meanwhile.
    pub not_sealed: u64,
}

impl<S: Storage> Sealed<S> {
    /// Wraps an account's keys by the current master key, whichever key of the keyring wrapped them before. One record is
    /// written; values stay as they are.
    ///
    /// Clients may be at work meanwhile: those that know both master keys do not notice. To those that know only the
    /// former, the account is [`Misconfigured`](crate::ErrorKind::Misconfigured) from now on. And those whose current key is
    /// still the former one begin new accounts with it. So
    ///
    /// 1. every client gets the new key beside the old one, which stays [the current one](crate::Keyring);
    /// 2. when all know both, the new one becomes the current one in every client;
    /// 3. when it is that everywhere, all accounts are rekeyed, until there was none left to do ([`RekeyedAll::done`] is 0);
    /// 4. the old key is taken away.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the storage fails, or if no key of the keyring wrapped the account's keys. Nothing was lost
    /// then, and the call can be made again.
    pub async fn rekey(&self, account: &AccountId) -> Result<Rekeyed, StorageError> {
        self.rewrap(account, false).await
    }

    /// [Rekeys](Self::rekey) every account, page by page. If it is interrupted it can be called again, and does what is
    /// left. So it does with accounts that were begun meanwhile by clients whose current key is still the former one.
    ///
    /// # Errors
    ///
    /// As [`Sealed::rekey`], for the first account that fails.
    pub async fn rekey_all(&self) -> Result<RekeyedAll, StorageError> {
        let mut all = RekeyedAll::default();
        let mut after: Option<Cursor> = None;
        loop {
            let page = self.inner.accounts(after.as_ref(), PAGE).await?;
            for account in &page.entries {
                match self.rekey(account).await? {
                    Rekeyed::Done => all.done += 1,
                    Rekeyed::AlreadyCurrent => all.already_current += 1,
                    Rekeyed::NoKeys => all.not_sealed += 1,
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Gives an account a new data key, which seals whatever is written from now on, and wraps all by the current master
    /// key. What was written before stays sealed by the older data keys, which are kept, until it is written again. An
    /// account can have 1,000 data keys.
    ///
    /// # Errors
    ///
    /// As [`Sealed::rekey`]; [`TooLarge`](crate::ErrorKind::TooLarge) if there are too many data keys.
    pub async fn renew_data_key(&self, account: &AccountId) -> Result<Rekeyed, StorageError> {
        self.rewrap(account, true).await
    }

    async fn rewrap(&self, account: &AccountId, renew: bool) -> Result<Rekeyed, StorageError> {
        let place = key_record()?;
        for _ in 0..ATTEMPTS {
            let snapshot = self.inner.load(account, &key_query(&place)).await?;
            let Some(record) = snapshot.records.get(&place) else {
                return Ok(Rekeyed::NoKeys);
            };
            let (mut secrets, wrapped_by) = wrapping::unwrap(record, &self.keyring, account, &place)?;
            let current = self.keyring.current();
            if renew {
                Secrets::add_data_key(&mut secrets)?;
            } else if wrapped_by == current.id() {
                return Ok(Rekeyed::AlreadyCurrent);
            }
            let id = prf::random_id()?;
            let value = wrapping::wrap(&secrets, current, account, &place, &id.into())?;
            let mut batch = Batch::new(id);
            batch.put(place.clone(), Some(record.revision), value);
            if commit_for_certain(&self.inner, account, &batch).await? == Committed::Applied {
                return Ok(Rekeyed::Done);
            }
        }
        Err(keys_keep_changing())
    }
}
