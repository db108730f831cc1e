//! What the server carries.

use std::fmt;
use std::sync::Arc;

use omemo::{BareJid, DeviceId, EncryptedMessage};
use omemo_xml::Format;

/// A device's address on the server: the account, and a name that only the tests know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The account.
    pub jid: BareJid,
    /// The name.
    pub name: String,
}

impl Address {
    /// An address.
    pub fn new(jid: &BareJid, name: &str) -> Self {
        Self {
            jid: jid.clone(),
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.jid, self.name)
    }
}

/// Something that arrives at a device.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// A message.
    Message(Arc<Message>),
    /// A new device list of an account (a PEP event).
    DeviceList {
        /// The account.
        jid: BareJid,
        /// Its list.
        xml: String,
    },
}

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its number on the server.
    pub number: u64,
    /// Who sent it.
    pub from: Address,
    /// The id of the sending device, as the message says.
    pub device: DeviceId,
    /// For whom it holds keys.
    pub keys: Vec<Key>,
    /// Whether it has no payload.
    pub empty: bool,
    /// The `<encrypted>` element.
    pub xml: String,
}

/// What can be seen of a key element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The account.
    pub jid: BareJid,
    /// The device.
    pub device: DeviceId,
    /// Whether it is marked as a key exchange.
    pub key_exchange: bool,
}

impl Message {
    /// Reads what can be seen of a message.
    pub(crate) fn read(number: u64, from: Address, xml: String) -> Self {
        let message = parse(&xml);
        let keys = message.recipients.iter().flat_map(|recipient| {
            let jid = recipient.jid.clone().expect("keys name their account in OMEMO 2");
            recipient.keys.iter().map(move |key| Key {
                jid: jid.clone(),
                device: key.device,
                key_exchange: key.key_exchange,
            })
        });
        Self {
            number,
            from,
            device: message.sender_device,
            keys: keys.collect(),
            empty: message.payload.is_none(),
            xml,
        }
    }

    /// The key element for a device.
    pub fn key_for(&self, jid: &BareJid, device: DeviceId) -> Option<&Key> {
        self.keys
            .iter()
            .find(|key| key.jid == *jid && key.device == device)
    }

    /// How many key elements are key exchanges.
    pub fn key_exchanges(&self) -> usize {
        self.keys.iter().filter(|key| key.key_exchange).count()
    }
}

/// Reads an `<encrypted>` element as our side does.
pub(crate) fn parse(xml: &str) -> EncryptedMessage {
    let element = omemo_xml::parse(xml).unwrap_or_else(|error| panic!("malformed: {error}\n{xml}"));
    let format = Format::of_element(&element).unwrap_or_else(|| panic!("no known <encrypted>:\n{xml}"));
    format
        .encrypted_from_xml(&element)
        .unwrap_or_else(|error| panic!("unreadable: {error}\n{xml}"))
}
