//! A server with devices of both sides, and the account of who has read what.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use omemo::BareJid;

use crate::device::{Device, Outcome, Received};
use crate::message::{Address, Delivery, Message};
use crate::server::Server;

/// How often everybody may receive and answer before something must have come to rest.
const ROUNDS: usize = 32;

/// A server with devices of both sides. Keeps account of what was sent, and checks what is delivered.
pub struct World {
    name: String,
    seed: u64,
    server: Server,
    devices: Vec<Rc<dyn Device>>,
    identities: BTreeMap<Address, [u8; 32]>,
    texts: BTreeMap<u64, String>,
    /// What has been decrypted, by the message's number and the device.
    read: BTreeSet<(u64, Address)>,
    repeated: usize,
}

impl World {
    /// A world without devices. `name` and `seed` are printed at its end.
    pub fn new(name: impl Into<String>, seed: u64) -> Self {
        Self {
            name: name.into(),
            seed,
            server: Server::new(seed),
            devices: Vec::new(),
            identities: BTreeMap::new(),
            texts: BTreeMap::new(),
            read: BTreeSet::new(),
            repeated: 0,
        }
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Takes in a device.
    pub fn add<D: Device + 'static>(&mut self, device: D) -> Rc<D> {
        let device = Rc::new(device);
        self.identities
            .insert(device.address().clone(), device.identity_key());
        self.devices.push(Rc::clone(&device) as Rc<dyn Device>);
        device
    }

    /// Sends a text to an account, and to the own account's other devices.
    pub fn send(&mut self, from: &dyn Device, to: &BareJid, text: &str) -> Arc<Message> {
        let messages = self.send_all(from, to, text);
        let [message] = &messages[..] else {
            panic!("{} messages for one protocol", messages.len());
        };
        Arc::clone(message)
    }

    /// Sends a text as [`send`](Self::send) does, in several messages if the devices speak several protocols.
    pub fn send_all(&mut self, from: &dyn Device, to: &BareJid, text: &str) -> Vec<Arc<Message>> {
        let to = std::slice::from_ref(to);
        let messages: Vec<_> = from
            .encrypt(to, text)
            .into_iter()
            .map(|xml| self.server.send(from.address(), to, xml))
            .collect();
        for message in &messages {
            assert_eq!(message.device, from.id(), "the message names another device");
            assert!(!message.empty, "a text makes a message with a payload");
            self.texts.insert(message.number, text.to_owned());
        }
        messages
    }

    /// Delivers the next message, and the device lists before it, checks how it ends and lets the device answer. `None`
    /// if nothing is left.
    pub fn deliver(&mut self, to: &dyn Device) -> Option<Outcome> {
        let (message, outcome) = self.attempt(to)?;
        self.check(to, &message, &outcome);
        to.flush();
        Some(outcome)
    }

    /// Delivers the next message, and the device lists before it, whatever comes of it.
    pub fn attempt(&mut self, to: &dyn Device) -> Option<(Arc<Message>, Outcome)> {
        loop {
            match self.server.take(to.address())? {
                Delivery::DeviceList { namespace, jid, xml } => {
                    if to.speaks(&namespace) {
                        to.update_device_list(&namespace, &jid, &xml);
                        to.flush();
                    }
                }
                Delivery::Message(message) => {
                    let outcome = match to.speaks(&message.namespace) {
                        true => to.decrypt(&message.from.jid, &message.xml),
                        false => Outcome::NotForUs,
                    };
                    return Some((message, outcome));
                }
            }
        }
    }

    /// Delivers all there is for a device; returns the texts.
    pub fn receive(&mut self, to: &dyn Device) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(outcome) = self.deliver(to) {
            texts.extend(outcome.text().map(str::to_owned));
        }
        texts
    }

    /// Lets everybody receive and answer until nothing moves any more.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS {
            let mut moved = false;
            for device in self.devices.clone() {
                while self.deliver(device.as_ref()).is_some() {
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
        panic!("the devices answer each other for ever");
    }

    /// The first delivery must decrypt to what was sent, later ones must be refused.
    fn check(&mut self, to: &dyn Device, message: &Message, outcome: &Outcome) {
        let address = to.address();
        let for_it = message.key_for(&address.jid, to.id()).is_some();
        let first = !self.read.contains(&(message.number, address.clone()));
        let as_it_should = match outcome {
            Outcome::NotForUs => !for_it,
            Outcome::Received(received) => for_it && first && *received == self.expected(message),
            Outcome::AlreadyDecrypted => for_it && !first,
            Outcome::Failed { class, .. } => for_it && !first && to.refuses_duplicates_by(class),
        };
        if !as_it_should {
            panic!(
                "{} got {outcome:?} from {} delivery of {message:?}, should be {:?}\n{}",
                address,
                if first { "the first" } else { "another" },
                for_it.then(|| self.expected(message)),
                to.log(),
            );
        }
        if for_it && first {
            self.read.insert((message.number, address.clone()));
        } else if for_it {
            self.repeated += 1;
        }
    }

    /// What a message must decrypt to.
    pub fn expected(&self, message: &Message) -> Received {
        Received {
            text: self.texts.get(&message.number).cloned(),
            device: message.device,
            identity_key: self.identities[&message.from],
        }
    }

    /// Checks that each device has read everything that was sent to it and not lost.
    pub fn assert_all_read(&self) {
        let lost: BTreeSet<_> = self.server.lost().into_iter().collect();
        for message in self.server.messages() {
            for device in &self.devices {
                let address = device.address();
                let entry = (message.number, address.clone());
                let for_it = message.key_for(&address.jid, device.id()).is_some();
                assert!(
                    !for_it || self.read.contains(&entry) || lost.contains(&entry),
                    "{address} has not got {message:?}"
                );
            }
        }
    }

    fn summary(&self) -> String {
        let messages = self.server.messages();
        let empty = messages.iter().filter(|message| message.empty).count();
        let key_exchanges: usize = messages.iter().map(|message| message.key_exchanges()).sum();
        format!(
            "{}: {} messages with a text and {} empty ones, {} key exchanges, {} readings, {} reordered, {} lost, \
             {} repeated (seed {:#x})",
            self.name,
            messages.len() - empty,
            empty,
            key_exchanges,
            self.read.len(),
            self.server.reordered(),
            self.server.lost().len(),
            self.repeated,
            self.seed,
        )
    }
}

impl Drop for World {
    fn drop(&mut self) {
        println!("{}", self.summary());
    }
}
