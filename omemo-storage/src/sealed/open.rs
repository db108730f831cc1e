//! Finding an account's keys, and opening snapshots by them.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::{AccountId, Key, Record, Snapshot, Storage, StorageError};

use super::keys::{AccountKeys, key_record};
use super::value::Opener;
use super::{Sealed, key_query, key_record as wrapping};

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

/// Opens every record of a snapshot of the storage inside but the key record.
pub(super) fn open(
    keys: &AccountKeys,
    account: &AccountId,
    sealed: Snapshot,
    place: &Key,
) -> Result<Snapshot, StorageError> {
    let mut opener = Opener::new(keys, account);
    let mut records = BTreeMap::new();
    for (hashed, record) in sealed.records {
        if hashed != *place {
            let (key, record) = opener.open(&hashed, record)?;
            records.insert(key, record);
        }
    }
    Ok(Snapshot {
        records,
        from_cache: sealed.from_cache,
    })
}
