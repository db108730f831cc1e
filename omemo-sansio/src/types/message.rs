//! Encrypted messages, as they stand in an `<encrypted>` element.

use alloc::vec::Vec;
use core::fmt;

use crate::{BareJid, DeviceId, Namespace};

/// The most key elements a message may have: 10,000.
pub const MAX_KEY_ELEMENTS: usize = 10_000;

/// An encrypted message of one protocol version: what stands in its `<encrypted>` element (XEP-0384, section 5.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedMessage {
    /// The protocol.
    pub namespace: Namespace,
    /// The sending device (`sid`).
    pub sender_device: DeviceId,
    /// The key for each device it was encrypted to.
    pub recipients: Vec<RecipientKeys>,
    /// The encrypted content; without it, or with one of no bytes, the message is empty and only moves sessions forward.
    pub payload: Option<Payload>,
}

impl EncryptedMessage {
    /// The payload, unless it has no bytes: an initialisation vector may stand there alone.
    pub fn content(&self) -> Option<&Payload> {
        self.payload
            .as_ref()
            .filter(|payload| !payload.ciphertext.is_empty())
    }

    /// How many key elements there are, over all recipients.
    pub fn key_elements(&self) -> usize {
        self.recipients.iter().map(|recipient| recipient.keys.len()).sum()
    }
}

/// The key elements for the devices of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientKeys {
    /// The account; `None` where the protocol does not name it (legacy).
    pub jid: Option<BareJid>,
    /// One element a device.
    pub keys: Vec<KeyElement>,
}

/// The message key, encrypted to one device.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyElement {
    /// The receiving device (`rid`).
    pub device: DeviceId,
    /// Whether the sender marked it as a key exchange. Only a hint: the bytes decide.
    pub key_exchange: bool,
    /// The bytes on the wire.
    pub data: Vec<u8>,
}

impl fmt::Debug for KeyElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            device,
            key_exchange,
            data,
        } = self;
        write!(
            f,
            "KeyElement({device}, key exchange: {key_exchange}, {} bytes)",
            data.len()
        )
    }
}

/// The encrypted content.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    /// The ciphertext as it stands in `<payload>`. Without any bytes there is no such element, just an initialisation
    /// vector (legacy).
    pub ciphertext: Vec<u8>,
    /// The initialisation vector, where the protocol sends one beside it (legacy).
    pub iv: Option<Vec<u8>>,
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ciphertext, iv } = self;
        write!(
            f,
            "Payload({} bytes, iv: {} bytes)",
            ciphertext.len(),
            iv.as_ref().map_or(0, Vec::len)
        )
    }
}
