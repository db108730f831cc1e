//! Both protocol versions over one identity, and what legacy OMEMO does otherwise. The numbers are those of the notes on
//! its wire that the tests were written from.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod both;
mod identity;
mod key_transport;
mod legacy;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{Device, Metering, is_repeated, jid, open_with, rng, settle};
use omemo::blocking::wait;
use omemo::local::{Delivery, Server};
use omemo::{
    BareJid, Client, Content, DecryptFailure, Decrypted, DeviceId, DeviceInformation, EncryptRequest, Error,
    IdentityKey, IncomingMessage, InvalidSettings, Legacy, Namespace, Omemo2, Outgoing, Protocol, Received,
    Settings,
};
use omemo_storage::Metered;
use omemo_storage_memory::MemoryStorage;

const OMEMO_2: Namespace = Namespace::OMEMO_2;
const LEGACY: Namespace = Namespace::LEGACY;
const ROMEO: &str = "romeo@montague.lit";
const JULIET: &str = "juliet@capulet.lit";
const NURSE: &str = "nurse@capulet.lit";

fn protocols(namespaces: &[Namespace]) -> Vec<Arc<dyn Protocol>> {
    let protocol = |namespace: &Namespace| match *namespace == OMEMO_2 {
        true => Arc::new(Omemo2) as Arc<dyn Protocol>,
        false => Arc::new(Legacy),
    };
    namespaces.iter().map(protocol).collect()
}

fn storage() -> Metering {
    Arc::new(Metered::new(MemoryStorage::new()))
}

fn reopen(server: &Server, of: &str, name: &str, namespaces: &[Namespace], storage: Metering) -> Device {
    let settings = Settings {
        protocols: protocols(namespaces),
        ..Settings::new(jid(of))
    };
    open_with(server, settings, name, storage)
}

fn open(server: &Server, of: &str, name: &str, namespaces: &[Namespace]) -> Device {
    reopen(server, of, name, namespaces, storage())
}

/// Two devices that speak legacy OMEMO alone, and have heard of each other.
fn old_friends(server: &Server) -> (Device, Device) {
    let romeo = open(server, ROMEO, "phone", &[LEGACY]);
    let juliet = open(server, JULIET, "phone", &[LEGACY]);
    settle(&[&romeo, &juliet]);
    (romeo, juliet)
}

/// A text for each protocol, which says which it is.
fn encrypt(from: &Device, to: &[&str], namespaces: &[Namespace]) -> Result<Outgoing, Error> {
    let plaintexts = namespaces
        .iter()
        .map(|namespace| (namespace.clone(), namespace.as_str().as_bytes().to_vec().into()));
    let request = EncryptRequest {
        recipients: to.iter().map(|to| jid(to)).collect(),
        plaintexts: plaintexts.collect::<BTreeMap<_, _>>(),
        context: String::new(),
        audience: Default::default(),
        priority: Vec::new(),
    };
    wait(from.client.encrypt(request)).map(|encrypted| encrypted.complete().unwrap())
}

fn send(from: &Device, to: &[&str], namespaces: &[Namespace]) -> Outgoing {
    let encrypted = encrypt(from, to, namespaces).unwrap();
    let to: Vec<BareJid> = to.iter().map(|to| jid(to)).collect();
    for message in &encrypted.messages {
        from.connection.send(&to, message);
    }
    encrypted
}

/// The messages that have arrived; device lists are taken in.
fn messages(device: &Device) -> Vec<IncomingMessage> {
    let mut messages = Vec::new();
    while let Some(delivery) = device.connection.receive() {
        match delivery {
            Delivery::Message(message) => messages.push(message),
            Delivery::DeviceList { namespace, jid, list } => {
                match wait(device.client.update_device_list(namespace, jid, list)) {
                    Ok(_) | Err(Error::UnknownNamespace(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
    messages
}

fn only_message(device: &Device) -> IncomingMessage {
    let [message] = <[_; 1]>::try_from(messages(device)).unwrap();
    message
}

/// The texts that have arrived for this device, in whichever protocol.
fn texts(device: &Device) -> Vec<String> {
    let read = |message| match device.decrypt(message) {
        Ok(decrypted) => common::text(&decrypted),
        Err(Error::UnknownNamespace(_)) => None,
        Err(error) => panic!("{error}"),
    };
    messages(device).into_iter().filter_map(read).collect()
}

fn devices_of(device: &Device, of: &str) -> Vec<DeviceInformation> {
    wait(device.client.device_information(jid(of))).unwrap().devices
}

fn identity(device: &Device, of: &str) -> IdentityKey {
    devices_of(device, of)[0].identity_key.unwrap()
}

/// What a message that is new, and for this device, brings.
fn decrypt(device: &Device, message: &IncomingMessage) -> Result<Received, Error> {
    device
        .decrypt(message.clone())
        .map(|decrypted| decrypted.received().unwrap())
}

fn text(received: &Received) -> &str {
    let Content::Plaintext(text) = &received.content else {
        panic!("{:?}", received.content)
    };
    std::str::from_utf8(text).unwrap()
}

/// A device of an account whose Ed25519 identity key has its sign bit set.
fn negative(server: &Server, label: &str) -> (BareJid, Device) {
    for number in 0.. {
        let own = jid(&format!("juliet{number}@capulet.lit"));
        let connection = server.connect(&own, "phone");
        let builder = Client::builder(Settings::new(own.clone()), storage(), connection.clone());
        let client = wait(builder.label(label).rng(rng(&own, "phone")).open()).unwrap();
        let bundle = server.bundle(&own, &OMEMO_2, client.device()).unwrap();
        if bundle.identity_key.ed25519()[31] >> 7 == 1 {
            let device = Device {
                jid: own.clone(),
                client,
                connection,
            };
            return (own, device);
        }
    }
    unreachable!()
}
