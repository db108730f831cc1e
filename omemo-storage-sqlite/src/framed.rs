//! A value with its lengths before it, as it is stored: see `migrations/0004_framed_values.sql`.

use omemo_storage::{Key, Value};

/// How many bytes of lengths come before a value: 8.
pub(crate) const LENGTHS: usize = 8;

/// How long the parts of a record are, in bytes.
pub(crate) struct Lengths {
    pub(crate) partition: usize,
    pub(crate) item: usize,
    pub(crate) value: usize,
}

impl Lengths {
    pub(crate) fn parse([p0, p1, i0, i1, v0, v1, v2, v3]: [u8; LENGTHS]) -> Self {
        let value = u32::from_be_bytes([v0, v1, v2, v3]);
        Self {
            partition: u16::from_be_bytes([p0, p1]).into(),
            item: u16::from_be_bytes([i0, i1]).into(),
            value: usize::try_from(value).unwrap_or(usize::MAX),
        }
    }
}

/// Appends a value as it is stored. Names have at most 4,096 bytes, and values that are larger than they may be are never
/// sent.
pub(crate) fn append(bytes: &mut Vec<u8>, key: &Key, value: &Value) {
    let name = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    bytes.extend(name(key.partition.as_str().len()));
    bytes.extend(name(key.item.as_str().len()));
    bytes.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(value.as_bytes());
}
