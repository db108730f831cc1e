//! The root chain.

use super::chain::ChainKey;
use crate::RecordError;
use crate::keys::kdf::{self, Salt};
use crate::keys::{Secret, SharedSecret};
use crate::protocol::KdfInfo;
use crate::records::codec::{Reader, Writer};

/// The key of the root chain (Double Ratchet, section 3.1).
#[derive(Debug)]
pub(super) struct RootKey(Secret);

impl RootKey {
    pub(super) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    #[cfg(any(test, feature = "hazmat"))]
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `KDF_RK` (Double Ratchet, section 7.2; XEP-0384, section 4.3): one step of the Diffie-Hellman ratchet.
    pub(super) fn step(&self, shared: &SharedSecret, info: &KdfInfo) -> (Self, ChainKey) {
        let blocks = kdf::hkdf(&Salt::Key(&self.0), &[shared.as_bytes()], info.root_chain);
        let [root_key, chain_key] = &*blocks;
        (
            Self(Secret::copy(root_key)),
            ChainKey::new(Secret::copy(chain_key)),
        )
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.bytes(&*self.0);
    }

    /// Goes past what [`encode`](Self::encode) wrote.
    pub(super) fn skip(reader: &mut Reader<'_>) -> Result<(), RecordError> {
        reader.take(32).map(drop)
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        Secret::decode(reader).map(Self)
    }
}
