//! AES-256-GCM where the bytes are.
//!
//! Each commit has a key of its own, made of a longer-lived key and the commit's id. So the number of values a data key
//! may seal has no bound that anybody would reach, and a value moved to another revision does not open. The nonces under
//! that key are random nonetheless: a batch that is sent again is sealed again, and if a caller should ever use an id
//! for two different batches, which the contract forbids, even that would not use up a key stream twice.

use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes256Enc;
use aes_gcm::{AeadInOut, AesGcm, KeyInit, Tag};

pub(super) const NONCE: usize = 12;
pub(super) const TAG: usize = 16;

/// A key, and what it was spread to. GCM encrypts counters in both directions, so the round keys for that do.
#[derive(Clone)]
pub(super) struct Cipher(AesGcm<Aes256Enc, U12>);

/// The bytes were not sealed like this: another key, another place, or damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was not sealed for this place by this key")]
pub(super) struct NotSealedHere;

impl Cipher {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(AesGcm::new(key.into()))
    }

    /// Encrypts where the bytes are; returns the tag. Fails beyond 64 GiB.
    pub(super) fn seal(
        &self,
        nonce: &[u8; NONCE],
        associated: &[u8],
        bytes: &mut [u8],
    ) -> Result<[u8; TAG], NotSealedHere> {
        let tag: Tag = self
            .0
            .encrypt_inout_detached(nonce.into(), associated, bytes.into())
            .map_err(|_| NotSealedHere)?;
        Ok(tag.into())
    }

    /// Decrypts where the bytes are; leaves them as they were if they are not what was sealed.
    pub(super) fn open(
        &self,
        nonce: &[u8; NONCE],
        associated: &[u8],
        bytes: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), NotSealedHere> {
        self.0
            .decrypt_inout_detached(nonce.into(), associated, bytes.into(), tag.into())
            .map_err(|_| NotSealedHere)
    }
}
