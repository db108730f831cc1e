//! What key elements hold, once read.

use alloc::vec::Vec;
use core::fmt;

use crate::PreKeyId;
use crate::keys::{IdentityKey, InvalidKey, PublicKey};

/// The most bytes of a key element: 4,096. Those of either protocol have fewer than 300.
pub const MAX_KEY_ELEMENT: usize = 4096;

/// What a key element holds.
#[derive(Debug)]
pub struct Incoming {
    /// What opens the session, if the sender does not know yet that we have it.
    pub key_exchange: Option<KeyExchange>,
    /// The message.
    pub message: Message,
}

/// What the responder needs to arrive at the initiator's secret (X3DH, section 3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyExchange {
    /// The pre key the initiator chose.
    pub pre_key: PreKeyId,
    /// The signed pre key of the bundle it used.
    pub signed_pre_key: PreKeyId,
    /// The initiator's identity key.
    pub identity_key: IdentityKey,
    /// The initiator's ephemeral key, which tells key exchanges apart.
    pub base_key: PublicKey,
}

/// The header of a message (Double Ratchet, section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The sender's ratchet key.
    pub ratchet_key: PublicKey,
    /// The message's number in its chain, from 0.
    pub n: u32,
    /// How many messages the sender's previous chain had.
    pub pn: u32,
}

/// A message of the double ratchet, not yet authenticated.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    header: Header,
    authenticated: Vec<u8>,
    ciphertext: Vec<u8>,
    mac: Vec<u8>,
}

impl Message {
    /// Takes the parts of a message: the header, the bytes that the MAC covers just as they were received, the
    /// ciphertext, and the MAC in the length that the protocol sends, which must have been checked.
    pub fn new(header: Header, authenticated: Vec<u8>, ciphertext: Vec<u8>, mac: Vec<u8>) -> Self {
        Self {
            header,
            authenticated,
            ciphertext,
            mac,
        }
    }

    /// The header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The bytes that the MAC covers, as received.
    pub fn authenticated(&self) -> &[u8] {
        &self.authenticated
    }

    /// The ciphertext.
    pub fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }

    /// The MAC, cut as the protocol cuts it.
    pub fn mac(&self) -> &[u8] {
        &self.mac
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            header,
            authenticated,
            ciphertext: _,
            mac: _,
        } = self;
        write!(f, "Message({header:?}, {} bytes)", authenticated.len())
    }
}

/// Why the bytes of a key element cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// There are more than [`MAX_KEY_ELEMENT`]; how many.
    #[error("a key element of {0} bytes")]
    TooLong(usize),
    /// They do not follow the encoding (Protocol Buffers).
    #[error("the key element is malformed")]
    Malformed,
    /// A field is missing that must be there.
    #[error("the key element has no {0}")]
    Missing(&'static str),
    /// A field has a length that it cannot have.
    #[error("the key element's {field} has {length} bytes")]
    Length {
        /// The field.
        field: &'static str,
        /// Its length.
        length: usize,
    },
    /// The version is not 3 (legacy); the byte that states it.
    #[error("the key element has version byte {0:#04x}")]
    Version(u8),
    /// A public key does not begin with the byte of its type (legacy).
    #[error("the key element's {field} has the key type {found}")]
    KeyType {
        /// The field.
        field: &'static str,
        /// The byte it begins with, instead of 5.
        found: u8,
    },
    /// The base key of a key exchange is none that a sender draws: it is not in the group, or not written as it is there.
    #[error("the base key is none that a sender draws")]
    BaseKey,
    /// The identity key is not valid.
    #[error("the identity key is invalid")]
    IdentityKey(#[from] InvalidKey),
}
