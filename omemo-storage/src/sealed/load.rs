//! Answering a query in one round trip, once the account's keys are known.

use crate::{AccountId, Query, Snapshot, Storage, StorageError};

use super::error::keys_keep_changing;
use super::hasher::Hasher;
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
        let hashed = hashed(storage.hashed.hasher(keys.names()), query)?;
        let opened = storage.load_opened(account, hashed).await?;
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

/// What the query asks for, by the names in the storage.
fn hashed(mut hasher: Hasher<'_>, query: &Query) -> Result<Query, StorageError> {
    let partitions = query.partitions.iter();
    let partitions = partitions.map(|name| hasher.partition(name).map(|hashed| hashed.name));
    Ok(Query {
        partitions: partitions.collect::<Result<_, _>>()?,
        records: query
            .records
            .iter()
            .map(|key| hasher.key(key))
            .collect::<Result<_, _>>()?,
    })
}
