//! A server, a clock that is moved by hand, and devices that speak what they are told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use omemo::blocking::wait;
use omemo::local::{Connection, Delivery, Server};
use omemo::{
    BareJid, Builder, Client, Clock, Content, Decrypted, DeviceAddress, EncryptRequest, Error,
    IncomingMessage, Legacy, Namespace, Omemo2, Outgoing, Protocol, Settings, Timestamp,
};
use omemo_storage_memory::MemoryStorage;

use super::rng::rng;

pub(crate) const OMEMO_2: Namespace = Namespace::OMEMO_2;
pub(crate) const LEGACY: Namespace = Namespace::LEGACY;
pub(crate) const ROMEO: &str = "romeo@montague.lit";
pub(crate) const JULIET: &str = "juliet@capulet.lit";
pub(crate) const DAY: u64 = 86_400;

#[derive(Clone)]
pub(crate) struct Hands(Arc<AtomicU64>);

impl Default for Hands {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(1_800_000_000)))
    }
}

impl Hands {
    pub(crate) fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) fn set_back(&self, seconds: u64) {
        self.0.fetch_sub(seconds, Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) clock: Hands,
}

pub(crate) struct Device {
    pub(crate) jid: BareJid,
    pub(crate) client: Client<Arc<MemoryStorage>, Connection>,
    pub(crate) connection: Connection,
    pub(crate) storage: Arc<MemoryStorage>,
}

pub(crate) fn jid(jid: &str) -> BareJid {
    BareJid::new(jid).unwrap()
}

pub(crate) fn both() -> Vec<Arc<dyn Protocol>> {
    vec![Arc::new(Omemo2), Arc::new(Legacy)]
}

pub(crate) fn newer() -> Vec<Arc<dyn Protocol>> {
    vec![Arc::new(Omemo2)]
}

pub(crate) fn older() -> Vec<Arc<dyn Protocol>> {
    vec![Arc::new(Legacy)]
}

pub(crate) fn settings(of: &str, protocols: Vec<Arc<dyn Protocol>>) -> Settings {
    Settings {
        protocols,
        ..Settings::new(jid(of))
    }
}

impl World {
    /// A new device of an account that speaks both protocols.
    pub(crate) fn device(&self, of: &str, name: &str) -> Device {
        self.open(settings(of, both()), name, Arc::default(), |builder| builder)
    }

    /// A device on a storage, the first time or again.
    pub(crate) fn open(
        &self,
        settings: Settings,
        name: &str,
        storage: Arc<MemoryStorage>,
        with: impl FnOnce(Builder<Arc<MemoryStorage>, Connection>) -> Builder<Arc<MemoryStorage>, Connection>,
    ) -> Device {
        let jid = settings.jid.clone();
        let connection = self.server.connect(&jid, name);
        let builder = Client::builder(settings, Arc::clone(&storage), connection.clone())
            .clock(self.clock.clone())
            .rng(rng(&jid, name))
            .catch_up(false);
        let client = wait(with(builder).open()).unwrap();
        Device {
            jid,
            client,
            connection,
            storage,
        }
    }

    /// Everybody receives and answers until nothing moves any more.
    pub(crate) fn settle(&self, devices: &[&Device]) {
        for _ in 0..8 {
            for device in devices {
                for outcome in device.receive() {
                    drop(outcome.unwrap());
                }
                device.flush();
            }
        }
    }

    /// Whether a bundle of the device is published, and whether it is on the list.
    pub(crate) fn published(&self, device: &Device, namespace: &Namespace) -> (bool, bool) {
        let id = device.client.device();
        let list = self.server.device_list(&device.jid, namespace);
        (
            self.server.bundle(&device.jid, namespace, id).is_some(),
            list.is_some_and(|list| list.devices.contains_key(&id)),
        )
    }
}

impl Device {
    pub(crate) fn address(&self) -> DeviceAddress {
        DeviceAddress {
            jid: self.jid.clone(),
            device: self.client.device(),
        }
    }

    /// The request for a text in both protocols.
    pub(crate) fn request(to: &BareJid, text: &str, namespaces: &[Namespace]) -> EncryptRequest {
        let mut request = EncryptRequest::new(vec![to.clone()], OMEMO_2, Vec::new());
        request.plaintexts = namespaces
            .iter()
            .map(|namespace| (namespace.clone(), text.as_bytes().to_vec().into()))
            .collect();
        request
    }

    pub(crate) fn encrypt(&self, to: &BareJid, text: &str, namespaces: &[Namespace]) -> Outgoing {
        let encrypted = wait(self.client.encrypt(Self::request(to, text, namespaces))).unwrap();
        encrypted.complete().unwrap()
    }

    pub(crate) fn send(&self, to: &BareJid, text: &str, namespaces: &[Namespace]) {
        for message in &self.encrypt(to, text, namespaces).messages {
            self.connection.send(std::slice::from_ref(to), message);
        }
    }

    /// The messages that have arrived, after all device lists.
    pub(crate) fn arrived(&self) -> Vec<IncomingMessage> {
        let mut messages = Vec::new();
        while let Some(delivery) = self.connection.receive() {
            match delivery {
                Delivery::Message(message) => messages.push(message),
                Delivery::DeviceList { namespace, jid, list } => {
                    match wait(self.client.update_device_list(namespace, jid, list)) {
                        Ok(_) | Err(Error::UnknownNamespace(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }
        messages
    }

    pub(crate) fn decrypt(&self, message: IncomingMessage) -> Result<Decrypted, Error> {
        wait(self.client.decrypt(message))
    }

    pub(crate) fn receive(&self) -> Vec<Result<Decrypted, Error>> {
        self.arrived()
            .into_iter()
            .map(|message| self.decrypt(message))
            .filter(|outcome| !matches!(outcome, Ok(Decrypted::NotForUs)))
            .collect()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        let outcomes = self.receive();
        let texts = outcomes.into_iter().filter_map(|outcome| text(&outcome.unwrap()));
        texts.collect()
    }

    pub(crate) fn flush(&self) {
        let flushed = wait(self.client.flush()).unwrap();
        assert!(flushed.failed.is_empty(), "{flushed:?}");
    }

    /// Whether the storage holds a record whose partition and item begin so.
    pub(crate) fn holds(&self, partition: &str, item: &str) -> bool {
        use omemo_storage::{AccountId, Storage};
        let account = AccountId::new(self.jid.as_str()).unwrap();
        let records = wait(self.storage.records(&account, None, 10_000)).unwrap();
        records.entries.iter().any(|record| {
            record.key.partition.as_str().starts_with(partition) && record.key.item.as_str().starts_with(item)
        })
    }
}

pub(crate) fn text(decrypted: &Decrypted) -> Option<String> {
    match &decrypted.as_received()?.content {
        Content::Plaintext(plaintext) => Some(String::from_utf8(plaintext.to_vec()).unwrap()),
        _ => None,
    }
}
