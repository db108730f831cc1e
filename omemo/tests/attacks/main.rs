//! Attacks on one device: each a story of what a server, a contact or a storage could do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod clock;
mod commits;
mod elements;
mod flood;
mod impostors;
mod keys;
mod lists;
mod owed;
mod records;
mod spotty;
mod troubled;

use common::{Device, jid};
use omemo::blocking::wait;
use omemo::local::{Delivery, Server};
use omemo::{
    BareJid, DeviceEntry, DeviceId, DeviceList, EncryptedMessage, IncomingMessage, KeyElement, Namespace,
    RecipientKeys,
};
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

/// What `from` writes to `to`, as it would arrive there. It is not sent.
fn written<S: Storage, T: Storage>(from: &Device<S>, to: &Device<T>, text: &str) -> IncomingMessage {
    let outgoing = from.encrypt(&[&to.jid], text).unwrap();
    IncomingMessage {
        sender: from.jid.clone(),
        message: outgoing.messages[0].clone(),
    }
}

/// A key element of OMEMO 2 that nobody has made.
fn forged_element(to: DeviceId) -> KeyElement {
    let header = [[0x08, 0, 0x10, 0, 0x1a, 32].as_slice(), &[9; 32]].concat();
    let message = [header.as_slice(), &[0x22, 16], &[1; 16]].concat();
    let length = message.len() as u8;
    KeyElement {
        device: to,
        key_exchange: false,
        data: [[0x0a, 16].as_slice(), &[7; 16], &[0x12, length], &message].concat(),
    }
}

/// A message to a device that no session is behind.
fn forged<S: Storage>(to: &Device<S>, from: &str, device: u32) -> IncomingMessage {
    forged_for(&to.jid, to.client.device(), from, device)
}

/// As [`forged`], to a device that is known by its address.
fn forged_for(to: &BareJid, to_device: DeviceId, from: &str, device: u32) -> IncomingMessage {
    IncomingMessage {
        sender: jid(from),
        message: EncryptedMessage {
            namespace: NS,
            sender_device: DeviceId::new(device),
            recipients: vec![RecipientKeys {
                jid: Some(to.clone()),
                keys: vec![forged_element(to_device)],
            }],
            payload: None,
        },
    }
}

/// Shows on another server what a device offers on its own: the list that it is on, and its bundle.
fn mirror<S: Storage>(of: &Device<S>, from: &Server, to: &Server) {
    let device = of.client.device();
    let list = from.device_list(&of.jid, &NS).unwrap();
    to.publish_device_list(&of.jid, &NS, list);
    let bundle = from.bundle(&of.jid, &NS, device).unwrap();
    to.publish_bundle(&of.jid, &NS, device, bundle);
}
