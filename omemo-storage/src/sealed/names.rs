//! What stands in the storage in place of the names.

use crate::{Key, Name, StorageError};

use super::error::damaged;
use super::prf::Prf;

/// How many bytes of a hash are kept: 16. Two of an account's names would meet after 2^64 of them.
pub(super) const KEPT: usize = 16;

/// Hashes the names of one account. An item's hash depends on its partition, so that equal items of different
/// partitions do not show.
#[derive(Clone)]
pub(super) struct Names {
    key: Prf,
    /// Made of the key, to tell two apart.
    id: [u8; KEPT],
}

/// The hash of a partition's name.
#[derive(Clone)]
pub(super) struct HashedPartition {
    /// In the order of the names.
    pub(super) hash: [u8; KEPT],
    pub(super) name: Name,
}

/// The hashes of a record's names.
#[derive(Clone)]
pub(super) struct HashedKey {
    /// In the order of the names, and compared in less time.
    pub(super) order: [u128; 2],
    pub(super) key: Key,
}

impl Names {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let key = Prf::new(key);
        let id = kept(&key, &[b"id"]);
        Self { key, id }
    }

    /// Whether both hash alike.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// What all have that hash alike, and no others.
    pub(super) fn id(&self) -> [u8; KEPT] {
        self.id
    }

    pub(super) fn partition(&self, name: &Name) -> Result<HashedPartition, StorageError> {
        let hash = kept(&self.key, &[b"p", name.as_str().as_bytes()]);
        let name = in_hex(&hash)?;
        Ok(HashedPartition { hash, name })
    }

    pub(super) fn item(&self, partition: &HashedPartition, item: &Name) -> Result<HashedKey, StorageError> {
        let hash = kept(&self.key, &[b"i", &partition.hash, item.as_str().as_bytes()]);
        let key = Key {
            partition: partition.name.clone(),
            item: in_hex(&hash)?,
        };
        Ok(HashedKey {
            order: [partition.hash, hash].map(u128::from_be_bytes),
            key,
        })
    }
}

fn kept(key: &Prf, parts: &[&[u8]]) -> [u8; KEPT] {
    let mut kept = [0; KEPT];
    for (to, from) in kept.iter_mut().zip(key.of(parts).iter()) {
        *to = *from;
    }
    kept
}

fn in_hex(hash: &[u8; KEPT]) -> Result<Name, StorageError> {
    let digit = |four: u8| if four < 10 { b'0' + four } else { b'a' + four - 10 };
    let mut text = [0; 2 * KEPT];
    for ([high, low], byte) in text.as_chunks_mut().0.iter_mut().zip(hash) {
        (*high, *low) = (digit(byte >> 4), digit(byte & 0xf));
    }
    let name = core::str::from_utf8(&text).map(Name::new);
    match name {
        Ok(Ok(name)) => Ok(name),
        _ => Err(damaged("a hashed name")),
    }
}
