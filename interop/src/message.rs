//! What the server carries.

use std::fmt;
use std::sync::Arc;

use omemo::{BareJid, DeviceId, EncryptedMessage, Namespace};
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
        /// The protocol.
        namespace: Namespace,
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
    /// The accounts that get it.
    pub to: Vec<BareJid>,
    /// The protocol.
    pub namespace: Namespace,
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
    /// The account, where the protocol names it.
    pub jid: Option<BareJid>,
    /// The device.
    pub device: DeviceId,
    /// Whether it is marked as a key exchange.
    pub key_exchange: bool,
    /// The bytes on the wire.
    pub data: Vec<u8>,
}

impl Message {
    /// Reads what can be seen of a message.
    pub(crate) fn read(number: u64, from: Address, to: Vec<BareJid>, xml: String) -> Self {
        let message = parse(&xml);
        let keys = message.recipients.iter().flat_map(|recipient| {
            recipient.keys.iter().map(|key| Key {
                jid: recipient.jid.clone(),
                device: key.device,
                key_exchange: key.key_exchange,
                data: key.data.clone(),
            })
        });
        Self {
            number,
            from,
            to,
            device: message.sender_device,
            keys: keys.collect(),
            empty: message.content().is_none(),
            namespace: message.namespace,
            xml,
        }
    }

    /// The key element for a device. Where keys do not name their account, ids must be unique among all accounts.
    pub fn key_for(&self, jid: &BareJid, device: DeviceId) -> Option<&Key> {
        self.keys
            .iter()
            .find(|key| key.device == device && key.jid.as_ref().is_none_or(|named| named == jid))
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

/// The XML of a protocol.
pub(crate) fn format(namespace: &Namespace) -> Format {
    Format::for_namespace(namespace).unwrap_or_else(|| panic!("no XML for {namespace}"))
}
