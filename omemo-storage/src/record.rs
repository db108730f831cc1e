//! Records, and how they are asked for and answered.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{Key, Name, Revision};

/// The most bytes a value may have: 1 MiB. A storage takes a little more from a wrapper around it, see
/// [`Batch::wrapping`](crate::Batch::wrapping).
pub const MAX_VALUE: usize = 1 << 20;

/// The bytes of a record. Treated as secret: wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Value(Vec<u8>);

/// Overwrites all the memory of a vector at once: [`Zeroize`](zeroize::Zeroize) does it byte by byte, and an operation
/// drops hundreds of values.
pub(crate) fn wipe(bytes: &mut Vec<u8>) {
    let capacity = bytes.capacity();
    bytes.clear();
    bytes.resize(capacity, 0);
    zeroize::optimization_barrier(bytes.as_slice());
}

impl Drop for Value {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl ZeroizeOnDrop for Value {}

impl Value {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes, to be worked on where they are.
    #[cfg(feature = "sealed")]
    pub(crate) fn into_bytes(mut self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(core::mem::take(&mut self.0))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<Zeroizing<Vec<u8>>> for Value {
    fn from(mut bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(core::mem::take(&mut *bytes))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = self;
        write!(f, "Value({} bytes)", bytes.len())
    }
}

/// A stored record: its value and the commit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The id of the commit that wrote this value.
    pub revision: Revision,
    /// The value.
    pub value: Value,
}

/// What to load: single records and whole partitions, together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Records asked for by name; an absent one is simply not in the answer.
    pub records: BTreeSet<Key>,
    /// Partitions asked for whole.
    pub partitions: BTreeSet<Name>,
}

impl Query {
    /// A query for nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.partitions.is_empty()
    }

    /// Whether the answer tells if `key` is there.
    pub fn covers(&self, key: &Key) -> bool {
        self.partitions.contains(&key.partition) || self.records.contains(key)
    }
}

/// The answer to a [`Query`]: every record it covers, as of one moment, ordered by the bytes of partition, then item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The records that exist among those asked for.
    pub records: BTreeMap<Key, Record>,
    /// Whether any of it comes from a cache, which may be behind the storage. A commit finds out; what ends without a
    /// write has to be validated by a batch that only expects.
    pub from_cache: bool,
}

impl Snapshot {
    /// What the storage itself has.
    pub fn new(records: BTreeMap<Key, Record>) -> Self {
        Self {
            records,
            from_cache: false,
        }
    }
}
