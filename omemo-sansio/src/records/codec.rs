//! How records are written: a version byte, then fields of fixed or prefixed length, in order.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::trust::TrustLevel;
use crate::{BareJid, Namespace, Timestamp};

/// Why a record cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It ends before its last field.
    #[error("the record is too short")]
    Truncated,
    /// Bytes are left after its last field.
    #[error("the record is too long")]
    Trailing,
    /// Its version byte is not known; it was written by a newer version.
    #[error("the record has version {0}, which is not known")]
    Version(u8),
    /// A field has a value it cannot have.
    #[error("the record's {0} is invalid")]
    Invalid(&'static str),
}

/// Writes a record into memory that is wiped when dropped.
#[derive(Default)]
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// Begins a record. `capacity` should cover the whole record, so that no copy is left behind by growing.
    pub(crate) fn new(version: u8, capacity: usize) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
        bytes.push(version);
        Self(bytes)
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn timestamp(&mut self, value: Timestamp) {
        self.u64(value.unix());
    }

    /// Bytes whose number the reader knows.
    pub(crate) fn bytes(&mut self, value: &[u8]) {
        let needed = self.0.len().saturating_add(value.len());
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.saturating_mul(2)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(value);
    }

    /// Text, prefixed by its length in bytes. Every text in a record is far shorter than 4 GiB.
    pub(crate) fn text(&mut self, value: &str) {
        self.length(value.len());
        self.bytes(value.as_bytes());
    }

    /// A number of elements, or of bytes.
    pub(crate) fn length(&mut self, value: usize) {
        self.u32(u32::try_from(value).unwrap_or(u32::MAX));
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Reads a record. Never allocates more than the record has bytes.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins with the version byte, which must be `version`.
    pub(crate) fn new(bytes: &'a [u8], version: u8) -> Result<Self, RecordError> {
        let mut reader = Self(bytes);
        match reader.u8()? {
            found if found == version => Ok(reader),
            found => Err(RecordError::Version(found)),
        }
    }

    /// Begins with the version byte, which must be 1 to `newest`.
    pub(crate) fn any_version(bytes: &'a [u8], newest: u8) -> Result<(Self, u8), RecordError> {
        let mut reader = Self(bytes);
        match reader.u8()? {
            found if (1..=newest).contains(&found) => Ok((reader, found)),
            found => Err(RecordError::Version(found)),
        }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], RecordError> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(RecordError::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(RecordError::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, RecordError> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, RecordError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RecordError::Invalid("flag")),
        }
    }

    pub(crate) fn u32(&mut self) -> Result<u32, RecordError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, RecordError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn timestamp(&mut self) -> Result<Timestamp, RecordError> {
        self.u64().map(Timestamp::from_unix)
    }

    /// A number of elements that follow, each of at least one byte.
    pub(crate) fn length(&mut self) -> Result<usize, RecordError> {
        let length = usize::try_from(self.u32()?).map_err(|_| RecordError::Truncated)?;
        if length > self.0.len() {
            Err(RecordError::Truncated)
        } else {
            Ok(length)
        }
    }

    /// Bytes, prefixed by their length.
    fn prefixed(&mut self) -> Result<&'a [u8], RecordError> {
        let length = self.length()?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, RecordError> {
        text(self.prefixed()?)
    }

    pub(crate) fn jid(&mut self) -> Result<BareJid, RecordError> {
        BareJid::new(self.text()?).map_err(|_| RecordError::Invalid("JID"))
    }

    pub(crate) fn namespace(&mut self) -> Result<Namespace, RecordError> {
        let name = self.prefixed()?;
        Namespace::known(name).map_or_else(
            || Namespace::stored(text(name)?).ok_or(RecordError::Invalid("namespace")),
            Ok,
        )
    }

    pub(crate) fn trust_level(&mut self) -> Result<TrustLevel, RecordError> {
        let name = self.prefixed()?;
        TrustLevel::known(name).map_or_else(|| text(name).map(TrustLevel::stored), Ok)
    }

    pub(crate) fn finish(self) -> Result<(), RecordError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(RecordError::Trailing)
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str, RecordError> {
    core::str::from_utf8(bytes).map_err(|_| RecordError::Invalid("text"))
}
