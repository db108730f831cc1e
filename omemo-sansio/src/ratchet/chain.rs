//! Sending and receiving chains.

use hmac::Mac;

use super::message_key::MessageKey;
use crate::RecordError;
use crate::keys::{Secret, kdf};
use crate::records::codec::{Reader, Writer};

/// The key of a chain (Double Ratchet, section 2.2).
#[derive(Debug)]
pub(super) struct ChainKey(Secret);

impl ChainKey {
    pub(super) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `KDF_CK` (Double Ratchet, section 7.2; XEP-0384, section 4.3): HMAC of 0x01 is the message key, HMAC of 0x02 the
    /// next chain key. Both begin with the same chain key, which is hashed once.
    pub(super) fn step(&self) -> (Self, MessageKey) {
        let keyed = kdf::hmac(&self.0);
        let message_key = Secret::fill(|to| kdf::finish(keyed.clone().chain_update([1]), to));
        let next = Secret::fill(|to| kdf::finish(keyed.chain_update([2]), to));
        (Self(next), MessageKey::new(message_key))
    }
}

/// A chain and how far it is.
#[derive(Debug)]
pub(super) struct Chain {
    key: ChainKey,
    /// The number of the next message, which is how many there were.
    next: u32,
}

impl Chain {
    /// A chain that begins.
    pub(super) fn new(key: ChainKey) -> Self {
        Self { key, next: 0 }
    }

    /// A chain that has had `next` messages.
    pub(super) fn resume(key: ChainKey, next: u32) -> Self {
        Self { key, next }
    }

    #[cfg(any(test, feature = "hazmat"))]
    pub(super) fn key(&self) -> &ChainKey {
        &self.key
    }

    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// The chain after its next message, and that message's key; `None` if its number would be the last of all, which
    /// could not be counted.
    pub(super) fn step(&self) -> Option<(Self, MessageKey)> {
        let next = self.next.checked_add(1)?;
        let (key, message_key) = self.key.step();
        Some((Self { key, next }, message_key))
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        let Self { key, next } = self;
        writer.bytes(key.as_bytes());
        writer.u32(*next);
    }

    /// Writes what [`encode`](Self::encode) writes in place of another chain.
    pub(super) fn write_to(&self, place: &mut [u8]) {
        let Self { key, next } = self;
        let bytes = key.as_bytes().iter().copied().chain(next.to_be_bytes());
        place.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            key: ChainKey(Secret::decode(reader)?),
            next: reader.u32()?,
        })
    }
}
