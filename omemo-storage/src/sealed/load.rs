//! Answering a query in one round trip, once the account's keys are known.

use alloc::vec::Vec;

use crate::{AccountId, Name, Query, Snapshot, Storage, StorageError};

use super::error::keys_keep_changing;
use super::hasher::Hasher;
use super::names::HashedPartition;
use super::{ATTEMPTS, Sealed};

pub(super) async fn load<S: Storage>(
    storage: &Sealed<S>,
    account: &AccountId,
    query: &Query,
) -> Result<Snapshot, StorageError> {
    if query.is_empty() {
        return storage.inner.load(account, query).await;
    }
    let mut keys = match storage.known.get(account) {
        Some(keys) => keys,
        None => match storage.fetch_keys(account).await? {
            (Some(keys), _) => keys,
            (None, from_cache) => return Ok(nothing(from_cache)),
        },
    };
    for _ in 0..ATTEMPTS {
        let hashed = |hasher: &mut Hasher<'_>| hashed(hasher, query);
        let (hashed, partitions) = storage.hashed.hash(keys.names(), hashed)?;
        let opened = storage.load_opened(account, hashed, &partitions).await?;
        let Some(current) = opened.keys else {
            // Purged meanwhile: what has no keys has nothing.
            return Ok(nothing(opened.snapshot.from_cache));
        };
        if current.names().is_same(keys.names()) {
            return Ok(opened.snapshot);
        }
        // Purged and created anew: the names that were asked for are not those of the records.
        keys = current;
    }
    Err(keys_keep_changing())
}

fn nothing(from_cache: bool) -> Snapshot {
    Snapshot {
        from_cache,
        ..Snapshot::default()
    }
}

/// What the query asks for, by the names in the storage; and its partitions, by those names and by their own.
fn hashed(
    hasher: &mut Hasher<'_>,
    query: &Query,
) -> Result<(Query, Vec<(HashedPartition, Name)>), StorageError> {
    let mut partitions = Vec::with_capacity(query.partitions.len());
    for name in &query.partitions {
        partitions.push((hasher.partition(name)?, name.clone()));
    }
    partitions.sort_unstable_by_key(|(hashed, _)| u128::from_be_bytes(hashed.hash));
    let records = query.records.iter();
    let hashed = Query {
        partitions: partitions.iter().map(|(hashed, _)| hashed.name.clone()).collect(),
        records: records.map(|key| hasher.key(key)).collect::<Result<_, _>>()?,
    };
    Ok((hashed, partitions))
}
