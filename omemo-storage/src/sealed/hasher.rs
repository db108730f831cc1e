//! Hashing names, those of late from memory.

use core::num::NonZeroUsize;
use std::hash::RandomState;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::{Key, Name, StorageError};

use super::names::{HashedPartition, KEPT, Names};

/// How many partitions' names, and how many keys, are kept: 16,384, of a few hundred bytes each.
const KEPT_NAMES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);

/// The hashes of names that were used of late, of all accounts. To find one is cheaper than to make it.
pub(super) struct HashedNames(Mutex<Hashes>);

struct Hashes {
    partitions: LruCache<([u8; KEPT], Name), HashedPartition, RandomState>,
    keys: LruCache<([u8; KEPT], Key), Key, RandomState>,
}

impl HashedNames {
    pub(super) fn new() -> Self {
        // Begun without bound, lest room for all is made at once.
        let mut partitions = LruCache::unbounded_with_hasher(RandomState::new());
        partitions.resize(KEPT_NAMES);
        let mut keys = LruCache::unbounded_with_hasher(RandomState::new());
        keys.resize(KEPT_NAMES);
        Self(Mutex::new(Hashes { partitions, keys }))
    }

    /// To hash names of one account. Others wait until it is dropped.
    pub(super) fn hasher<'a>(&'a self, names: &'a Names) -> Hasher<'a> {
        // Nothing here panics half-way through a change, so a poisoned lock protects sound data.
        let hashes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Hasher { names, hashes }
    }
}

pub(super) struct Hasher<'a> {
    names: &'a Names,
    hashes: MutexGuard<'a, Hashes>,
}

impl Hasher<'_> {
    pub(super) fn partition(&mut self, name: &Name) -> Result<HashedPartition, StorageError> {
        let names = self.names;
        let hashed = self
            .hashes
            .partitions
            .try_get_or_insert((names.id(), name.clone()), || names.partition(name))?;
        Ok(hashed.clone())
    }

    pub(super) fn key(&mut self, key: &Key) -> Result<Key, StorageError> {
        let id = (self.names.id(), key.clone());
        if let Some(hashed) = self.hashes.keys.get(&id) {
            return Ok(hashed.clone());
        }
        let partition = self.partition(&key.partition)?;
        let hashed = self.names.item(&partition, &key.item)?;
        self.hashes.keys.put(id, hashed.clone());
        Ok(hashed)
    }
}
