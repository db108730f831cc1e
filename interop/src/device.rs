//! What the tests ask of a device, ours or theirs.

use omemo::{BareJid, DeviceId, Namespace};

use crate::message::Address;

/// A device of either side.
pub trait Device {
    /// Its address on the server.
    fn address(&self) -> &Address;

    /// Its id.
    fn id(&self) -> DeviceId;

    /// Its identity key, in the form of Curve25519.
    fn identity_key(&self) -> [u8; 32];

    /// Whether it speaks a protocol. What comes in another is not for it.
    fn speaks(&self, namespace: &Namespace) -> bool;

    /// Encrypts a text for accounts and for the own other devices: a message for each protocol that some of them are
    /// written to in. Every known device must be reached.
    fn encrypt(&self, to: &[BareJid], text: &str) -> Vec<String>;

    /// Decrypts a message.
    fn decrypt(&self, sender: &BareJid, xml: &str) -> Outcome;

    /// Takes in a device list.
    fn update_device_list(&self, namespace: &Namespace, jid: &BareJid, xml: &str);

    /// Whether an error of this kind may be how it refuses a message that it has decrypted before.
    fn refuses_duplicates_by(&self, _class: &str) -> bool {
        false
    }

    /// Sends what it owes, if it does not by itself.
    fn flush(&self) {}

    /// What it has to say on a failure.
    fn log(&self) -> String {
        String::new()
    }
}

/// How decrypting ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was decrypted.
    Received(Received),
    /// It was decrypted before.
    AlreadyDecrypted,
    /// It holds no key for this device.
    NotForUs,
    /// It could not be decrypted.
    Failed {
        /// The kind of the error.
        class: String,
        /// All that is known of it.
        text: String,
    },
}

/// A message that was decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What it says; `None` if it is empty.
    pub text: Option<String>,
    /// The device that was found to have sent it.
    pub device: DeviceId,
    /// The identity key that authenticated it, in the form of Curve25519.
    pub identity_key: [u8; 32],
}

impl Outcome {
    /// What the message says, if it was decrypted and is not empty.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Received(received) => received.text.as_deref(),
            _ => None,
        }
    }

    /// The kind of the error, if it could not be decrypted.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Failed { class, .. } => Some(class),
            _ => None,
        }
    }
}
