//! What a commit writes, and what it relied on.

use alloc::collections::BTreeMap;
use alloc::format;
use core::fmt;

use crate::{ErrorKind, Key, MAX_VALUE, StorageError, Value};

/// The most records a batch may name: 32,768.
pub const MAX_RECORDS: usize = 32_768;

/// How many bytes a wrapper may add to each value, and to the bound of [`MAX_VALUE`], for what it keeps beside it: 16 KiB.
pub const WRAPPER_BYTES: usize = 16 * 1024;

/// How many records a wrapper may add to a batch, and to the bound of [`MAX_RECORDS`]: 16.
pub const WRAPPER_RECORDS: usize = 16;

/// The id of a commit: 16 random bytes, chosen by whoever makes the batch. Never used for two different batches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId([u8; 16]);

impl CommitId {
    /// Takes 16 bytes, which must be random.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Which state of a record is meant: the id of the commit that wrote it. No counters, so a deleted and rewritten record
/// never looks like its former self.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(CommitId);

impl Revision {
    /// Takes the 16 bytes as they were stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(CommitId(bytes))
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl From<CommitId> for Revision {
    fn from(id: CommitId) -> Self {
        Self(id)
    }
}

/// What a batch does with one record, and what it relied on there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stake {
    /// The revision the record must have for the batch to apply; `None`: there must be no record.
    pub expected: Option<Revision>,
    /// What is done to it.
    pub write: Write,
}

/// What a batch does with one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Nothing: it was only read.
    Keep,
    /// The value is put there, in place of any other.
    Put(Value),
    /// The record is removed.
    Delete,
}

/// A commit to be: for each record it names, the state it relied on and what to write. Every write carries its
/// expectation, and no record is named twice, by construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    id: CommitId,
    stakes: BTreeMap<Key, Stake>,
    /// How many wrappers it has come through.
    wrappings: usize,
}

impl Batch {
    /// A batch that does nothing yet.
    pub fn new(id: CommitId) -> Self {
        Self {
            id,
            stakes: BTreeMap::new(),
            wrappings: 0,
        }
    }

    /// A batch with the same id of all these: for a wrapper, of what it makes of this one. Of records that are named twice the
    /// last stake counts. It is made in the least time where they are in order. Its bounds are wider by [`WRAPPER_BYTES`] and [`WRAPPER_RECORDS`] than those of this batch, so that
    /// whoever calls the wrapper has the same bounds as without it.
    pub fn wrapping(&self, stakes: impl IntoIterator<Item = (Key, Stake)>) -> Self {
        Self {
            wrappings: self.wrappings.saturating_add(1),
            ..Self::of(self.id, stakes)
        }
    }

    /// A batch of all these. Of records that are named twice the last stake counts.
    pub fn of(id: CommitId, stakes: impl IntoIterator<Item = (Key, Stake)>) -> Self {
        Self {
            stakes: stakes.into_iter().collect(),
            ..Self::new(id)
        }
    }

    /// Relies on `key` being at `expected` (`None`: absent) without writing it.
    pub fn expect(&mut self, key: Key, expected: Option<Revision>) {
        let write = Write::Keep;
        self.stakes.insert(key, Stake { expected, write });
    }

    /// Puts `value` at `key`, relying on `expected` being there before.
    pub fn put(&mut self, key: Key, expected: Option<Revision>, value: Value) {
        let write = Write::Put(value);
        self.stakes.insert(key, Stake { expected, write });
    }

    /// Deletes the record at `key`, relying on `expected` being there before.
    pub fn delete(&mut self, key: Key, expected: Option<Revision>) {
        let write = Write::Delete;
        self.stakes.insert(key, Stake { expected, write });
    }

    /// The id, which becomes the [`Revision`] of each record that is put.
    pub fn id(&self) -> CommitId {
        self.id
    }

    /// Every record the batch names, in order of the bytes of partition, then item.
    pub fn stakes(&self) -> impl ExactSizeIterator<Item = (&Key, &Stake)> {
        self.stakes.iter()
    }

    /// How many records it puts or deletes. With none, the batch only validates what was read.
    pub fn writes(&self) -> usize {
        self.stakes
            .values()
            .filter(|stake| stake.write != Write::Keep)
            .count()
    }

    /// Checks the bounds that hold for every storage; each storage calls it before anything else, and must be able to
    /// take what it lets through.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] with more than [`MAX_RECORDS`] records or a value over [`MAX_VALUE`] bytes. What a wrapper
    /// passes on may be larger, see [`Batch::wrapping`].
    pub fn check(&self) -> Result<(), StorageError> {
        let wider = |bound: usize, by: usize| bound.saturating_add(by.saturating_mul(self.wrappings));
        let (records, bytes) = (
            wider(MAX_RECORDS, WRAPPER_RECORDS),
            wider(MAX_VALUE, WRAPPER_BYTES),
        );
        if self.stakes.len() > records {
            let message = format!("a batch names {} records, more than {records}", self.stakes.len());
            return Err(StorageError::new(ErrorKind::TooLarge, message));
        }
        for (key, stake) in &self.stakes {
            if let Write::Put(value) = &stake.write
                && value.len() > bytes
            {
                let message = format!(
                    "the value of {} has {} bytes, more than {bytes}",
                    key.item,
                    value.len()
                );
                return Err(StorageError::new(ErrorKind::TooLarge, message));
            }
        }
        Ok(())
    }
}

/// How a commit ended. A conflict is an ordinary result, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "on a conflict nothing was written"]
pub enum Committed {
    /// All of the batch is durable: now, or by an earlier call with the same batch.
    Applied,
    /// Some record is not at the revision the batch relied on; nothing was written.
    Conflict,
}
