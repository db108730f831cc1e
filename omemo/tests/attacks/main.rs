//! Attacks on one device: each a story of what a server, a contact or a storage could do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod commits;
mod keys;
mod lists;

use common::{Device, jid};
use omemo::blocking::wait;
use omemo::local::Delivery;
use omemo::{DeviceId, DeviceList, IncomingMessage, Namespace};
use omemo_sansio::DeviceEntry;
use omemo_storage::Storage;

const NS: Namespace = Namespace::OMEMO_2;

/// The messages that have arrived; device lists are taken in.
fn messages<S: Storage>(of: &Device<S>) -> Vec<IncomingMessage> {
    let mut messages = Vec::new();
    while let Some(delivery) = of.connection.receive() {
        match delivery {
            Delivery::Message(message) => messages.push(message),
            Delivery::DeviceList { namespace, jid, list } => {
                wait(of.client.update_device_list(namespace, jid, list)).unwrap();
            }
        }
    }
    messages
}

/// A list of these devices, without labels.
fn list(ids: impl IntoIterator<Item = u32>) -> DeviceList {
    let entry = |id| (DeviceId::new(id), DeviceEntry::default());
    DeviceList {
        devices: ids.into_iter().map(entry).collect(),
    }
}

/// The bytes of a message of OMEMO 2 that nobody has made.
fn forged_element() -> Vec<u8> {
    let header = [[0x08, 0, 0x10, 0, 0x1a, 32].as_slice(), &[9; 32]].concat();
    let message = [header.as_slice(), &[0x22, 16], &[1; 16]].concat();
    let length = message.len() as u8;
    [[0x0a, 16].as_slice(), &[7; 16], &[0x12, length], &message].concat()
}

/// A message to a device that no session is behind.
fn forged<S: Storage>(to: &Device<S>, from: &str, device: u32) -> IncomingMessage {
    use omemo::EncryptedMessage;
    use omemo_sansio::{KeyElement, RecipientKeys};
    IncomingMessage {
        sender: jid(from),
        message: EncryptedMessage {
            namespace: NS,
            sender_device: DeviceId::new(device),
            recipients: vec![RecipientKeys {
                jid: Some(to.jid.clone()),
                keys: vec![KeyElement {
                    device: to.client.device(),
                    key_exchange: false,
                    data: forged_element(),
                }],
            }],
            payload: None,
        },
    }
}
