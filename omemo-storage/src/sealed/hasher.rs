//! Hashing names, those of late from memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::{Key, Name, StorageError};

use super::names::{HashedKey, HashedPartition, KEPT, Names};

/// From how many names on all are forgotten: 16,384, of a few hundred bytes each.
const KEPT_NAMES: usize = 16_384;

/// The hashes of names that were used of late, of all accounts. To find one is cheaper than to make it.
///
/// Where there are too many, all are forgotten. To keep them in the order of their use would be to touch the neighbours of
/// each that is found, and among thousands, memory that is not at hand takes longer than a hash.
pub(super) struct HashedNames(Mutex<Hashes>);

#[derive(Default)]
struct Hashes {
    accounts: HashMap<[u8; KEPT], OfAccount>,
    /// How many names all of them have.
    kept: usize,
}

#[derive(Default)]
struct OfAccount {
    partitions: HashMap<Name, HashedPartition>,
    keys: HashMap<Key, HashedKey>,
}

impl HashedNames {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Hashes names of one account. Others wait meanwhile.
    pub(super) fn hash<T>(&self, names: &Names, work: impl FnOnce(&mut Hasher<'_>) -> T) -> T {
        // Nothing here panics half-way through a change, so a poisoned lock protects sound data.
        let mut hashes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hashes.kept >= KEPT_NAMES {
            *hashes = Hashes::default();
        }
        let Hashes { accounts, kept } = &mut *hashes;
        let known = accounts.entry(names.id()).or_default();
        work(&mut Hasher { names, known, kept })
    }
}

pub(super) struct Hasher<'a> {
    names: &'a Names,
    known: &'a mut OfAccount,
    kept: &'a mut usize,
}

impl Hasher<'_> {
    pub(super) fn partition(&mut self, name: &Name) -> Result<HashedPartition, StorageError> {
        if let Some(hashed) = self.known.partitions.get(name) {
            return Ok(hashed.clone());
        }
        let hashed = self.names.partition(name)?;
        self.known.partitions.insert(name.clone(), hashed.clone());
        *self.kept += 1;
        Ok(hashed)
    }

    pub(super) fn key(&mut self, key: &Key) -> Result<HashedKey, StorageError> {
        if let Some(hashed) = self.known.keys.get(key) {
            return Ok(hashed.clone());
        }
        let partition = self.partition(&key.partition)?;
        let hashed = self.names.item(&partition, &key.item)?;
        self.known.keys.insert(key.clone(), hashed.clone());
        *self.kept += 1;
        Ok(hashed)
    }
}
