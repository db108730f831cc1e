//! What passes through the server, as the server could keep it.

use omemo::local::{Connection, Delivery, Server};
use omemo::{DeviceAddress, EncryptedMessage, IncomingMessage};

use super::cast::Person;
use crate::failure::Failure;

/// Everything that the server has carried: since there are two people, all of it goes from or to one of them.
pub(super) struct Wire {
    tap: Connection,
    carried: Vec<IncomingMessage>,
}

impl Wire {
    /// Listens at the server.
    pub(super) fn tap(server: &Server) -> Result<Self, Failure> {
        Ok(Self {
            tap: server.connect(&Person::Romeo.jid()?, "wiretap"),
            carried: Vec::new(),
        })
    }

    /// Everything so far, empty messages too, each once.
    pub(super) fn carried(&mut self) -> &[IncomingMessage] {
        while let Some(delivery) = self.tap.receive() {
            if let Delivery::Message(message) = delivery
                && !self.carried.contains(&message)
            {
                self.carried.push(message);
            }
        }
        &self.carried
    }
}

/// Whether a message came from a device.
pub(super) fn is_from(incoming: &IncomingMessage, device: &DeviceAddress) -> bool {
    incoming.sender == device.jid && incoming.message.sender_device == device.device
}

/// Whether a message can be read by a device.
pub(super) fn is_for(incoming: &IncomingMessage, device: &DeviceAddress) -> bool {
    incoming.message.recipients.iter().any(|recipient| {
        recipient.jid.as_ref() == Some(&device.jid)
            && recipient.keys.iter().any(|key| key.device == device.device)
    })
}

/// How many key exchanges a message holds.
pub(super) fn key_exchanges(message: &EncryptedMessage) -> u64 {
    let keys = message.recipients.iter().flat_map(|recipient| &recipient.keys);
    keys.filter(|key| key.key_exchange).count() as u64
}

/// Whether a text stands anywhere in a message.
pub(super) fn shows(message: &EncryptedMessage, text: &str) -> bool {
    let keys = message.recipients.iter().flat_map(|recipient| &recipient.keys);
    let payload = message.payload.iter().map(|payload| &payload.ciphertext);
    keys.map(|key| &key.data)
        .chain(payload)
        .any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}
