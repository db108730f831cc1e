//! Finding an account's keys, and opening snapshots by them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::{AccountId, Batch, Committed, Key, Query, Record, Revision, Snapshot, Storage, StorageError};

use super::commit::commit_for_certain;
use super::keys::{AccountKeys, key_record};
use super::value::{Expected, OpenedRecord, Opener};
use super::{Sealed, key_query, key_record as wrapping, prf};

impl<S: Storage> Sealed<S> {
    /// Loads an account's keys; `None` if it has none. The other answer: whether that comes from a cache.
    pub(super) async fn fetch_keys(
        &self,
        account: &AccountId,
    ) -> Result<(Option<Arc<AccountKeys>>, bool), StorageError> {
        let place = key_record()?;
        let snapshot = self.inner.load(account, &key_query(&place)).await?;
        let keys = self.take_in(account, snapshot.records.get(&place), &place)?;
        Ok((keys, snapshot.from_cache))
    }

    /// The keys that a snapshot's key record holds; unwrapped if they are not those in memory, and kept there.
    pub(super) fn take_in(
        &self,
        account: &AccountId,
        record: Option<&Record>,
        place: &Key,
    ) -> Result<Option<Arc<AccountKeys>>, StorageError> {
        let Some(record) = record else {
            self.known.forget(account);
            return Ok(None);
        };
        if let Some(keys) = self.known.get(account)
            && keys.revision() == Some(record.revision)
        {
            return Ok(Some(keys));
        }
        self.known.forget(account);
        let (secrets, _) = wrapping::unwrap(record, &self.keyring, account, place)?;
        let keys = Arc::new(AccountKeys::new(Some(record.revision), &secrets));
        self.known.set(account, &keys);
        Ok(Some(keys))
    }
}

/// What the storage inside has answered to a query.
pub(super) struct Opened {
    /// The account's keys at that moment, if it has any.
    pub(super) keys: Option<Arc<AccountKeys>>,
    /// Every record but the key record: opened, if there are keys.
    pub(super) snapshot: Snapshot,
}

impl<S: Storage> Sealed<S> {
    /// Loads what a query asks for by hashed names, and the account's keys with it. `partitions` are those that are asked
    /// for whole, in the order of their hashed names.
    pub(super) async fn load_opened(
        &self,
        account: &AccountId,
        mut query: Query,
        partitions: &[Expected],
    ) -> Result<Opened, StorageError> {
        let place = key_record()?;
        query.records.insert(place.clone());
        let mut is_first = true;
        loop {
            let snapshot = self.inner.load(account, &query).await?;
            let from_cache = snapshot.from_cache;
            let Some(keys) = self.take_in(account, snapshot.records.get(&place), &place)? else {
                return Ok(Opened { keys: None, snapshot });
            };
            match open(Opener::new(&keys, account, partitions), snapshot, &place) {
                // A cache inside may have keys of before and a record of after a rotation.
                Err(_) if from_cache && is_first && self.is_stale(account, keys.revision()).await? => {
                    is_first = false;
                }
                opened => {
                    let keys = Some(keys);
                    return opened.map(|snapshot| Opened { keys, snapshot });
                }
            }
        }
    }

    /// Whether the key record is not what it was believed to be. A cache inside learns it as well.
    pub(super) async fn is_stale(
        &self,
        account: &AccountId,
        believed: Option<Revision>,
    ) -> Result<bool, StorageError> {
        let mut validation = Batch::new(prf::random_id()?);
        validation.expect(key_record()?, believed);
        let validated = commit_for_certain(&self.inner, account, &validation).await?;
        Ok(validated == Committed::Conflict)
    }
}

/// Opens every record of a snapshot of the storage inside but the key record.
fn open(mut opener: Opener<'_>, sealed: Snapshot, place: &Key) -> Result<Snapshot, StorageError> {
    let mut records: Vec<OpenedRecord> = Vec::with_capacity(sealed.records.len());
    for (hashed, record) in sealed.records {
        if hashed != *place {
            let last = records.last().map(|last| &last.key);
            let opened = opener.open(&hashed, record, last)?;
            records.push(opened);
        }
    }
    // They are in the order of the hashed names. To sort them at once, mostly by numbers, is less work than to find the place
    // of each.
    records.sort_unstable_by(OpenedRecord::compare);
    let records = records.into_iter().map(|opened| (opened.key, opened.record));
    Ok(Snapshot {
        records: records.collect(),
        from_cache: sealed.from_cache,
    })
}
