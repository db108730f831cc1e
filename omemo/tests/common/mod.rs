//! What the tests of the client share.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub)]

pub mod polling;
mod rng;

use std::collections::BTreeMap;
use std::sync::Arc;

use omemo::blocking::wait;
use omemo::local::{Connection, Delivery, Server};
use omemo::{
    BareJid, Client, Content, Decrypted, EncryptRequest, Encrypted, Error, Flushed, IncomingMessage,
    Namespace, Omemo2, Outgoing, Settings,
};
use omemo_storage::{AccountId, Counts, Key, Metered, Query, Record, Storage};
use omemo_storage_memory::MemoryStorage;

pub use rng::rng;

pub type Metering = Arc<Metered<MemoryStorage>>;

/// A device on a storage whose calls are counted.
pub struct Device<S = Metering> {
    pub jid: BareJid,
    pub client: Client<S, Connection>,
    pub connection: Connection,
}

pub fn jid(jid: &str) -> BareJid {
    BareJid::new(jid).unwrap()
}

pub fn open(server: &Server, of: &str, name: &str) -> Device {
    let storage = Arc::new(Metered::new(MemoryStorage::new()));
    open_on(server, of, name, storage)
}

pub fn open_on<S: Storage>(server: &Server, of: &str, name: &str, storage: S) -> Device<S> {
    open_with(server, settings(jid(of)), name, storage)
}

/// One protocol, for tests that are about something else.
pub fn settings(jid: BareJid) -> Settings {
    Settings {
        protocols: vec![Arc::new(Omemo2)],
        ..Settings::new(jid)
    }
}

pub fn open_with<S: Storage>(server: &Server, settings: Settings, name: &str, storage: S) -> Device<S> {
    let jid = settings.jid.clone();
    let connection = server.connect(&jid, name);
    let client = wait(
        Client::builder(settings, storage, connection.clone())
            .catch_up(false)
            .rng(rng(&jid, name))
            .open(),
    )
    .unwrap();
    Device {
        jid,
        client,
        connection,
    }
}

impl Device {
    pub fn counts(&self) -> Counts {
        self.client.storage().take()
    }
}

impl<S: Storage> Device<S> {
    /// Encrypts, whoever may be left out.
    pub fn encrypt(&self, to: &[&BareJid], text: &str) -> Result<Outgoing, Error> {
        self.try_to_encrypt(to, text)
            .map(|encrypted| encrypted.partial().0)
    }

    pub fn try_to_encrypt(&self, to: &[&BareJid], text: &str) -> Result<Encrypted, Error> {
        let to = to.iter().map(|jid| (*jid).clone()).collect();
        wait(self.client.encrypt(EncryptRequest::new(
            to,
            Namespace::OMEMO_2,
            text.as_bytes().to_vec(),
        )))
    }

    pub fn send(&self, to: &[&BareJid], text: &str) -> Outgoing {
        let encrypted = self.encrypt(to, text).unwrap();
        let to: Vec<_> = to.iter().map(|jid| (*jid).clone()).collect();
        encrypted
            .messages
            .iter()
            .for_each(|message| self.connection.send(&to, message));
        encrypted
    }

    pub fn decrypt(&self, message: IncomingMessage) -> Result<Decrypted, Error> {
        wait(self.client.decrypt(message))
    }

    pub fn flush(&self) -> Flushed {
        wait(self.client.flush()).unwrap()
    }

    /// Takes in everything that has arrived; returns how each message for this device ended.
    pub fn receive(&self) -> Vec<Result<Decrypted, Error>> {
        let mut results = Vec::new();
        while let Some(delivery) = self.connection.receive() {
            match delivery {
                Delivery::Message(message) => match self.decrypt(message) {
                    // A copy of an empty message between two other devices.
                    Ok(Decrypted::NotForUs) => {}
                    result => results.push(result),
                },
                Delivery::DeviceList { namespace, jid, list } => {
                    wait(self.client.update_device_list(namespace, jid, list)).unwrap();
                }
            }
        }
        results
    }

    /// The texts that have arrived; every message must be readable. Owed replies are sent.
    pub fn texts(&self) -> Vec<String> {
        let texts = self
            .receive()
            .into_iter()
            .filter_map(|result| text(&result.unwrap()))
            .collect();
        self.flush();
        texts
    }
}

/// The values of all records of the device.
pub fn records<S: Storage>(device: &Device<S>) -> BTreeMap<Key, Vec<u8>> {
    let (storage, account) = (
        device.client.storage(),
        AccountId::new(device.jid.as_str()).unwrap(),
    );
    let (mut query, mut after) = (Query::new(), None);
    loop {
        let page = wait(storage.records(&account, after.as_ref(), 100)).unwrap();
        query
            .records
            .extend(page.entries.into_iter().map(|info| info.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let snapshot = wait(storage.load(&account, &query)).unwrap();
    let valued = |(key, record): (Key, Record)| (key, record.value.as_bytes().to_vec());
    snapshot.records.into_iter().map(valued).collect()
}

pub fn text(decrypted: &Decrypted) -> Option<String> {
    match &decrypted.as_received()?.content {
        Content::Plaintext(plaintext) => Some(String::from_utf8(plaintext.to_vec()).unwrap()),
        Content::KeyTransport | Content::Empty => None,
    }
}

/// Whether the message was decrypted before.
pub fn is_repeated(result: &Result<Decrypted, Error>) -> bool {
    matches!(result, Ok(Decrypted::AlreadyDecrypted))
}

/// Lets everybody receive and answer until nothing moves any more.
pub fn settle(devices: &[&Device]) {
    for _ in 0..8 {
        for device in devices {
            device
                .receive()
                .into_iter()
                .for_each(|result| drop(result.unwrap()));
            device.flush();
        }
    }
}

/// Two devices that have exchanged messages both ways.
pub fn acquaint<S: Storage>(romeo: &Device, juliet: &Device<S>) {
    for _ in 0..2 {
        romeo.send(&[&juliet.jid], "his");
        drop(juliet.receive());
        juliet.flush();
        drop(romeo.receive());
        juliet.send(&[&romeo.jid], "hers");
        drop(romeo.receive());
        romeo.flush();
        drop(juliet.receive());
    }
}

/// The messages that have arrived; device lists are let go.
pub fn arrived<S: Storage>(device: &Device<S>) -> Vec<IncomingMessage> {
    let mut messages = Vec::new();
    while let Some(delivery) = device.connection.receive() {
        if let Delivery::Message(message) = delivery {
            messages.push(message);
        }
    }
    messages
}

/// What the messages of a page say, of those that could be read.
pub fn texts(page: &[Result<Decrypted, Error>]) -> Vec<String> {
    page.iter()
        .filter_map(|result| text(result.as_ref().ok()?))
        .collect()
}
