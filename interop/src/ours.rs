//! Our devices.

use std::cell::RefCell;
use std::sync::Arc;

use omemo::blocking::Client;
use omemo::{
    BareJid, Content, Decrypted, DeviceId, DeviceInformation, EncryptRequest, IncomingMessage, Namespace,
    Protocol, Settings,
};
use omemo_storage::Storage;

use crate::bridge::{Bridge, device_list, encrypted_xml};
use crate::device::{Device, Outcome, Received};
use crate::message::{Address, parse};
use crate::server::Server;

/// One of our devices, on any storage.
pub struct Ours<S> {
    address: Address,
    server: Server,
    protocols: Vec<Arc<dyn Protocol>>,
    client: RefCell<Option<Client<S, Bridge>>>,
}

impl<S: Storage> Ours<S> {
    /// Opens a device that speaks these protocols, the most preferred first; for the first time or again.
    pub fn open(
        server: &Server,
        address: Address,
        protocols: Vec<Arc<dyn Protocol>>,
        label: Option<&str>,
        storage: S,
    ) -> Self {
        let client = open(server, &address, &protocols, label, storage);
        Self {
            address,
            server: server.clone(),
            protocols,
            client: RefCell::new(Some(client)),
        }
    }

    /// Drops the client and opens it again on what `reopen` makes of its storage.
    pub fn restart(&self, reopen: impl FnOnce(S) -> S)
    where
        S: Clone,
    {
        let client = self.client.take().expect("the client is open");
        let storage = client.storage().clone();
        drop(client);
        let client = open(
            &self.server,
            &self.address,
            &self.protocols,
            None,
            reopen(storage),
        );
        self.client.replace(Some(client));
    }

    /// Uses the client.
    pub fn with<R>(&self, act: impl FnOnce(&Client<S, Bridge>) -> R) -> R {
        act(self.client.borrow().as_ref().expect("the client is open"))
    }

    /// What it knows of the devices of an account.
    pub fn devices(&self, jid: &BareJid) -> Vec<DeviceInformation> {
        let devices = self.with(|client| client.device_information(jid.clone()));
        let devices = devices.unwrap_or_else(|error| panic!("{}: {error}", self.address));
        assert!(devices.unidentified.is_empty(), "{:?}", devices.unidentified);
        devices.devices
    }
}

fn open<S: Storage>(
    server: &Server,
    address: &Address,
    protocols: &[Arc<dyn Protocol>],
    label: Option<&str>,
    storage: S,
) -> Client<S, Bridge> {
    let mut settings = Settings::new(address.jid.clone());
    settings.protocols = protocols.to_vec();
    let mut builder = Client::builder(settings, storage, Bridge::new(server, address));
    if let Some(label) = label {
        builder = builder.label(label);
    }
    builder
        .catch_up(false)
        .open_blocking()
        .unwrap_or_else(|error| panic!("{address} could not be opened: {error}"))
}

impl<S: Storage> Device for Ours<S> {
    fn address(&self) -> &Address {
        &self.address
    }

    fn id(&self) -> DeviceId {
        self.with(Client::device)
    }

    fn identity_key(&self) -> [u8; 32] {
        let devices = self.devices(&self.address.jid);
        let own = devices
            .iter()
            .find(|device| device.is_own)
            .expect("it knows itself");
        *own.identity_key
            .expect("it has an identity")
            .curve25519()
            .as_bytes()
    }

    fn speaks(&self, namespace: &Namespace) -> bool {
        self.protocols
            .iter()
            .any(|protocol| protocol.namespace() == *namespace)
    }

    fn encrypt(&self, to: &[BareJid], text: &str) -> Vec<String> {
        let plaintexts = self
            .protocols
            .iter()
            .map(|protocol| (protocol.namespace(), text.as_bytes().to_vec().into()));
        let request = EncryptRequest {
            recipients: to.to_vec(),
            plaintexts: plaintexts.collect(),
            context: String::new(),
            audience: Default::default(),
            priority: Vec::new(),
        };
        let encrypted = self
            .with(|client| client.encrypt(request))
            .unwrap_or_else(|error| panic!("{} could not encrypt: {error}", self.address));
        let outgoing = encrypted
            .complete()
            .unwrap_or_else(|partly| panic!("{} left out {:?}", self.address, partly.skipped));
        let xml = |message| encrypted_xml(message).expect("what was encrypted can be written");
        outgoing.messages.iter().map(xml).collect()
    }

    fn decrypt(&self, sender: &BareJid, xml: &str) -> Outcome {
        let message = IncomingMessage {
            sender: sender.clone(),
            message: parse(xml),
        };
        match self.with(|client| client.decrypt(message)) {
            Ok(Decrypted::Trusted(message) | Decrypted::Undecided(message)) => {
                Outcome::Received(received(message))
            }
            Ok(Decrypted::AlreadyDecrypted) => Outcome::AlreadyDecrypted,
            Ok(Decrypted::NotForUs) => Outcome::NotForUs,
            Err(error) => {
                let text = format!("{error:?}");
                let class = text.split(['(', ' ']).nth(1).unwrap_or(&text).to_owned();
                Outcome::Failed { class, text }
            }
        }
    }

    fn update_device_list(&self, namespace: &Namespace, jid: &BareJid, xml: &str) {
        let list = device_list(namespace, xml).unwrap_or_else(|error| panic!("{error}\n{xml}"));
        self.with(|client| client.update_device_list(namespace.clone(), jid.clone(), list))
            .unwrap_or_else(|error| panic!("{}: {error}", self.address));
    }

    fn flush(&self) {
        let flushed = self
            .with(Client::flush)
            .unwrap_or_else(|error| panic!("{}: {error}", self.address));
        assert!(
            flushed.failed.is_empty(),
            "{}: {:?}",
            self.address,
            flushed.failed
        );
    }
}

fn received(message: omemo::Received) -> Received {
    let text = match message.content {
        Content::Plaintext(plaintext) => Some(String::from_utf8(plaintext.to_vec()).expect("texts are sent")),
        Content::KeyTransport | Content::Empty => None,
    };
    Received {
        text,
        device: message.sender.device,
        identity_key: *message.sender.identity_key.curve25519().as_bytes(),
    }
}
