//! Answering a query in one round trip, once the account's keys are known.

use alloc::vec::Vec;

use crate::{AccountId, Query, Snapshot, Storage, StorageError};

use super::error::keys_keep_changing;
use super::hasher::Hasher;
use super::value::Expected;
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

/// What the query asks for, by the names in the storage; and its partitions, in the order of those names.
fn hashed(hasher: &mut Hasher<'_>, query: &Query) -> Result<(Query, Vec<Expected>), StorageError> {
    let mut partitions = Vec::with_capacity(query.partitions.len());
    for (rank, name) in query.partitions.iter().enumerate() {
        partitions.push(Expected {
            hashed: hasher.partition(name)?,
            name: name.clone(),
            rank,
        });
    }
    partitions.sort_unstable_by_key(|expected| u128::from_be_bytes(expected.hashed.hash));
    let records = query.records.iter();
    let hashed = Query {
        partitions: partitions
            .iter()
            .map(|expected| expected.hashed.name.clone())
            .collect(),
        records: records
            .map(|key| hasher.key(key).map(|hashed| hashed.key))
            .collect::<Result<_, _>>()?,
    };
    Ok((hashed, partitions))
}
