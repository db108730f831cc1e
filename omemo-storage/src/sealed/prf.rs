//! HMAC-SHA-256 as a pseudorandom function, and randomness.

use std::string::ToString;

use aes_gcm::aes::cipher::array::Array;
use hmac::digest::FixedOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{CommitId, ErrorKind, StorageError};

/// A key, its hash begun.
#[derive(Clone)]
pub(super) struct Prf(Hmac<Sha256>);

impl Prf {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        // HMAC fills a short key up with zeros (RFC 2104, section 2).
        let mut block = Zeroizing::new([0; 64]);
        for (to, from) in block.iter_mut().zip(key) {
            *to = *from;
        }
        Self(Hmac::new((&*block).into()))
    }

    /// What the key makes of the parts, one after the other. The first of them tells one use of the key from another.
    pub(super) fn of(&self, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        let mut output = Zeroizing::new([0; 32]);
        mac.finalize_into(Array::cast_from_core_mut(&mut output));
        output
    }
}

/// Fills `bytes` from the system's source of randomness.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), StorageError> {
    getrandom::fill(bytes).map_err(|error| {
        StorageError::new(ErrorKind::Unavailable, "the system has no random bytes")
            .with_source(error.to_string())
    })
}

/// A new key.
pub(super) fn random_key() -> Result<Zeroizing<[u8; 32]>, StorageError> {
    let mut key = Zeroizing::new([0; 32]);
    fill(&mut *key)?;
    Ok(key)
}

/// The id of a new commit.
pub(super) fn random_id() -> Result<CommitId, StorageError> {
    let mut id = [0; 16];
    fill(&mut id)?;
    Ok(CommitId::from_bytes(id))
}
