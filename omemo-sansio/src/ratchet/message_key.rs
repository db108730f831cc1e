//! The key of one message.

use alloc::vec::Vec;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::DecryptError;
use crate::RecordError;
use crate::keys::Secret;
use crate::protocol::{AssociatedData, CipherKeys, Header, Message, Protocol, Role};
use crate::records::codec::{Reader, Writer};

/// The least MAC that is believed, whatever a protocol says.
const MIN_MAC: usize = 8;

/// The key that encrypts and authenticates one message (Double Ratchet, section 7.2).
#[derive(Debug)]
pub(super) struct MessageKey(Secret);

impl MessageKey {
    pub(super) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    #[cfg(any(test, feature = "hazmat"))]
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `ENCRYPT`: a whole message with its header and MAC. The key is used up.
    pub(super) fn seal(
        self,
        protocol: &dyn Protocol,
        associated_data: &AssociatedData,
        sender: Role,
        header: &Header,
        plaintext: &[u8],
    ) -> Vec<u8> {
        let keys = CipherKeys::derive(&self.0, protocol.kdf_info().message_keys);
        let message = protocol.encode_message(header, &keys.encrypt(plaintext));
        let mac = protocol.mac(keys.mac_key(), associated_data, sender, &message);
        protocol.seal(message, &mac)
    }

    /// `DECRYPT`: checks the MAC over the bytes as received, and decrypts only then.
    pub(super) fn open(
        &self,
        protocol: &dyn Protocol,
        associated_data: &AssociatedData,
        sender: Role,
        message: &Message,
    ) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let keys = CipherKeys::derive(&self.0, protocol.kdf_info().message_keys);
        let mac = protocol.mac(keys.mac_key(), associated_data, sender, message.authenticated());
        let received = message.mac();
        let expected = mac.get(..received.len()).ok_or(DecryptError::InvalidMac)?;
        if received.len() < MIN_MAC || !bool::from(expected.ct_eq(received)) {
            return Err(DecryptError::InvalidMac);
        }
        keys.decrypt(message.ciphertext()).ok_or(DecryptError::Malformed)
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.bytes(&*self.0);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        Secret::decode(reader).map(Self)
    }
}
