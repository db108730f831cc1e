//! What a session carries to each device: the key of the payload.

use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The key that a message's payload is encrypted with, and the tag that authenticates it: what the double ratchet
/// encrypts (XEP-0384, section 4.4).
pub struct KeyMaterial {
    bytes: Zeroizing<Vec<u8>>,
    key_length: usize,
}

impl KeyMaterial {
    /// Joins a key with its tag, which is empty where there is no payload.
    pub fn new(key: &[u8], tag: &[u8]) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(key.len().saturating_add(tag.len())));
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(tag);
        Self {
            bytes,
            key_length: key.len(),
        }
    }

    /// Takes what a session decrypted, whose first `key_length` bytes are the key; `None` if it is shorter.
    pub fn from_decrypted(bytes: Zeroizing<Vec<u8>>, key_length: usize) -> Option<Self> {
        (key_length <= bytes.len()).then_some(Self { bytes, key_length })
    }

    /// The key, then the tag: what a session encrypts.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        self.split().0
    }

    /// The tag; empty where there is no payload.
    pub fn tag(&self) -> &[u8] {
        self.split().1
    }

    fn split(&self) -> (&[u8], &[u8]) {
        self.bytes
            .split_at_checked(self.key_length)
            .unwrap_or((&self.bytes, &[]))
    }
}

/// Compared in constant time; only the lengths are no secret.
impl PartialEq for KeyMaterial {
    fn eq(&self, other: &Self) -> bool {
        self.key_length == other.key_length && bool::from(self.bytes.ct_eq(&other.bytes))
    }
}

impl Eq for KeyMaterial {}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            bytes: _,
            key_length: _,
        } = self;
        f.write_str("KeyMaterial(..)")
    }
}

/// Why a payload cannot be encrypted or decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// What the session carried is not key material of the protocol; its length in bytes.
    #[error("key material of {0} bytes")]
    KeyMaterialLength(usize),
    /// The initialisation vector is missing or has a length that none has; its length in bytes.
    #[error("an initialisation vector of {0} bytes")]
    IvLength(usize),
    /// There is a payload, but the key material is that of an empty message.
    #[error("the key material is that of an empty message")]
    NoTag,
    /// There is no payload, but the key material is that of one: it was taken away.
    #[error("the payload is missing")]
    NoPayload,
    /// The payload was changed, or belongs to another message.
    #[error("the payload is not authentic")]
    InvalidTag,
    /// The payload is authentic, and still not what the protocol describes: its sender is faulty.
    #[error("the payload is malformed")]
    Malformed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_material_is_equal_by_key_and_tag() {
        let material = KeyMaterial::new(&[1; 16], &[2; 16]);
        assert!(material == KeyMaterial::new(&[1; 16], &[2; 16]));
        assert!(material != KeyMaterial::new(&[1; 16], &[3; 16]));
        assert!(material != KeyMaterial::new(&[1; 16], &[]));
        let same_bytes = KeyMaterial::new(&[&[1; 16][..], &[2]].concat(), &[2; 15]);
        assert!(
            material != same_bytes,
            "where the key ends and the tag begins is part of it"
        );
    }
}
