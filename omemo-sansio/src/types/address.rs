//! Who and where: bare JIDs, device ids, namespaces; and when.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::fmt;
use core::ops::{Add, Sub};

/// The longest bare JID in bytes: two parts of 1,023 bytes and what joins them (RFC 7622, section 3.1), with room for
/// servers that count otherwise.
pub const MAX_JID: usize = 3071;

/// A bare JID, already normalised (RFC 7622): `juliet@capulet.lit`. Compared byte by byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BareJid(Arc<str>);

impl BareJid {
    /// Takes a normalised bare JID.
    ///
    /// # Errors
    ///
    /// [`InvalidJid`] if it or one of its parts is empty, if it is longer than [`MAX_JID`] bytes, or holds a NUL or a
    /// resource.
    pub fn new(jid: &str) -> Result<Self, InvalidJid> {
        if jid.is_empty() {
            Err(InvalidJid::Empty)
        } else if jid.len() > MAX_JID {
            Err(InvalidJid::TooLong(jid.len()))
        } else if jid.contains(['\0', '/']) {
            Err(InvalidJid::NotBare)
        } else if jid.starts_with('@') || jid.ends_with('@') {
            Err(InvalidJid::EmptyPart)
        } else {
            Ok(Self(Arc::from(jid)))
        }
    }

    /// The JID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BareJid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for BareJid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text cannot be a [`BareJid`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidJid {
    /// It has no bytes.
    #[error("a JID must not be empty")]
    Empty,
    /// It is longer than [`MAX_JID`]; its length in bytes.
    #[error("a JID has {0} bytes, more than {MAX_JID}")]
    TooLong(usize),
    /// It has a resource, or a NUL.
    #[error("a bare JID must hold neither a resource nor a NUL")]
    NotBare,
    /// There is nothing before or nothing after the `@`.
    #[error("both parts of a JID must have bytes")]
    EmptyPart,
}

/// The id of a device, unique within its account (XEP-0384, section 5.1). Own ids are drawn from 1 to 2^31 - 1; those of
/// others are taken as they come, since 0 and larger ones occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(u32);

impl DeviceId {
    /// Takes an id as it came.
    pub const fn new(id: u32) -> Self {
        Self(id)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A device of an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceAddress {
    /// The account.
    pub jid: BareJid,
    /// The device.
    pub device: DeviceId,
}

/// The XML namespace of a protocol version, which names it everywhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(Cow<'static, str>);

impl Namespace {
    /// `urn:xmpp:omemo:2`, XEP-0384 since 0.8.
    pub const OMEMO_2: Self = Self(Cow::Borrowed("urn:xmpp:omemo:2"));

    /// `eu.siacs.conversations.axolotl`, XEP-0384 0.3.
    pub const LEGACY: Self = Self(Cow::Borrowed("eu.siacs.conversations.axolotl"));

    /// The longest in bytes that a record may name, so that every record's name can hold one beside a JID.
    const LONGEST_STORED: usize = 256;

    /// One of the namespaces that have names here. It is asked of each contact of each message, so nothing else is asked first.
    pub(crate) fn known(text: &[u8]) -> Option<Self> {
        [Self::OMEMO_2, Self::LEGACY]
            .into_iter()
            .find(|known| known.as_str().as_bytes() == text)
    }

    /// A namespace read from a record or from a record's name; `None` if it is none, since no record of its protocol could
    /// be named.
    pub(crate) fn stored(text: &str) -> Option<Self> {
        Self::known(text.as_bytes()).or_else(|| {
            let possible = (1..=Self::LONGEST_STORED).contains(&text.len()) && !text.contains(['\0', '/']);
            possible.then(|| Self(Cow::Owned(text.into())))
        })
    }

    /// The namespace as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A moment, in whole seconds since 1970-01-01T00:00:00Z. Saturates where it cannot be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Takes Unix seconds.
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds)
    }

    /// The Unix seconds.
    pub const fn unix(self) -> u64 {
        self.0
    }

    /// No clock that is right shows less: 2025-01-01T00:00:00Z. Many show less until they have asked for the time.
    const EARLIEST: u64 = 1_735_689_600;

    /// How far the clocks of several processes may lie apart, or one be set back: an hour, in seconds.
    pub(crate) const APART: u64 = 3_600;

    /// Whether a clock that shows this may be right: until it was set, none is.
    pub(crate) const fn may_be_right(self) -> bool {
        self.0 >= Self::EARLIEST
    }

    /// The moment that somebody else has stamped something with; `now` if it lies ahead, unless the clock here is not set.
    pub(crate) fn not_after(self, now: Self) -> Self {
        if now.may_be_right() { self.min(now) } else { self }
    }

    /// Whether a stamp was made by a clock that was wrong: it lies so many seconds ahead of `now`, and `now` may be right.
    pub(crate) fn is_ahead(self, now: Self, seconds: u64) -> bool {
        now.may_be_right() && self - now > seconds
    }

    /// Whether what is done every `interval` seconds is due, after it was done at `last`. A clock that was ahead may have
    /// stamped that: then it is due too, or nothing would be done until that time comes.
    pub(crate) fn is_due(last: Self, now: Self, interval: u64) -> bool {
        now - last >= interval || last.is_ahead(now, Self::APART)
    }
}

impl Add<u64> for Timestamp {
    type Output = Self;

    fn add(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

impl Sub for Timestamp {
    type Output = u64;

    fn sub(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_clock_that_was_ahead_has_stamped_is_due() {
        let now = Timestamp::from_unix(1_800_000_000);
        let due = |seconds: i64| {
            let last = Timestamp::from_unix(now.unix().saturating_add_signed(seconds));
            Timestamp::is_due(last, now, 60)
        };
        assert!(due(-60) && !due(-59) && !due(0));
        // Clocks lie apart a little.
        assert!(!due(3_600) && due(3_601) && due(i64::MAX));
        // A clock that has just started says nothing of others.
        let started = Timestamp::from_unix(1);
        assert!(!Timestamp::is_due(now, started, 60));
        assert!(Timestamp::is_due(
            Timestamp::default(),
            Timestamp::from_unix(60),
            60
        ));
    }

    #[test]
    fn a_namespace_that_no_name_can_hold_is_not_read_from_a_record() {
        for known in [Namespace::OMEMO_2, Namespace::LEGACY] {
            assert_eq!(Namespace::stored(known.as_str()), Some(known));
        }
        let longest = "x".repeat(Namespace::LONGEST_STORED);
        assert_eq!(Namespace::stored(&longest).unwrap().as_str(), longest);
        for impossible in ["", "a\0b", "a/b", &(longest + "x")] {
            assert_eq!(Namespace::stored(impossible), None, "{impossible:?}");
        }
    }
}
