//! Our clients and python-omemo (backends twomemo and oldmemo), on one server.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: what goes wrong here is a failed test"
)]

mod both;
mod contact;
mod crowd;
mod crowds;
mod endurance;
mod key_exchange;
mod labels;
mod simultaneous;
mod trust;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use omemo::{BareJid, Namespace, Omemo2, Protocol};
use omemo_interop::{Address, Device, Message, Ours, Peer, Python, Theirs, World};
use omemo_storage::Storage;
use omemo_storage_memory::MemoryStorage;

/// Our account.
const ROMEO: &str = "romeo@montague.lit";

/// Theirs.
const JULIET: &str = "juliet@capulet.lit";

/// Makes a test for each protocol of functions that take it.
macro_rules! in_each_protocol {
    ($($test:ident),+ $(,)?) => {
        mod omemo_2 {
            $(#[test] fn $test() { super::$test(std::sync::Arc::new(omemo::Omemo2)) })+
        }
        mod legacy {
            $(#[test] fn $test() { super::$test(std::sync::Arc::new(omemo::Legacy)) })+
        }
    };
}
pub(crate) use in_each_protocol;

/// Protocols, the most preferred first.
type Protocols = Vec<Arc<dyn Protocol>>;

/// A world, and the process for the devices of python-omemo in it.
struct Stage {
    world: World,
    /// What devices speak that are not told otherwise.
    protocols: Protocols,
    peer: Rc<RefCell<Peer>>,
}

impl Stage {
    /// A world that speaks OMEMO 2.
    fn new(name: &str, seed: u64) -> Self {
        Self::speaking(name, vec![Arc::new(Omemo2)], seed)
    }

    fn speaking(name: &str, protocols: Protocols, seed: u64) -> Self {
        static PYTHON: OnceLock<Python> = OnceLock::new();
        let python = PYTHON.get_or_init(|| Python::prepare(Path::new(env!("CARGO_TARGET_TMPDIR"))));
        let spoken: Vec<_> = namespaces(&protocols).iter().map(Namespace::to_string).collect();
        let world = World::new(format!("python-omemo, {}: {name}", spoken.join(" and ")), seed);
        let peer = Rc::new(RefCell::new(Peer::start(python, world.server())));
        Self {
            world,
            protocols,
            peer,
        }
    }

    fn ours(&mut self, name: &str) -> Rc<Ours<MemoryStorage>> {
        self.ours_on(name, MemoryStorage::new())
    }

    fn ours_on<S: Storage + 'static>(&mut self, name: &str, storage: S) -> Rc<Ours<S>> {
        let protocols = self.protocols.clone();
        self.ours_speaking(name, protocols, storage)
    }

    fn ours_speaking<S: Storage + 'static>(
        &mut self,
        name: &str,
        protocols: Protocols,
        storage: S,
    ) -> Rc<Ours<S>> {
        let address = Address::new(&jid(ROMEO), name);
        let device = Ours::open(self.world.server(), address, protocols, None, storage);
        self.world.add(device)
    }

    fn theirs(&mut self, name: &str) -> Rc<Theirs> {
        let protocols = self.protocols.clone();
        self.theirs_speaking(name, &protocols)
    }

    fn theirs_speaking(&mut self, name: &str, protocols: &Protocols) -> Rc<Theirs> {
        let address = Address::new(&jid(JULIET), name);
        let device = Theirs::open(
            self.world.server(),
            &self.peer,
            address,
            namespaces(protocols),
            None,
        );
        self.world.add(device)
    }

    /// Sends from one device to the other's account, and delivers there what has arrived, this last.
    fn say(&mut self, from: &dyn Device, to: &dyn Device, text: &str) -> Arc<Message> {
        let message = self.world.send(from, &to.address().jid, text);
        assert_eq!(self.world.receive(to).last().map(String::as_str), Some(text));
        message
    }

    /// The empty messages that were sent so far.
    fn empty_messages(&self) -> Vec<Arc<Message>> {
        let mut messages = self.world.server().messages();
        messages.retain(|message| message.empty);
        messages
    }

    /// Turns of talk of several lengths, then all that is owed; everything must be read.
    fn converse(&mut self, one: &dyn Device, other: &dyn Device) {
        for (turn, length) in [1, 1, 3, 2, 5, 1].into_iter().enumerate() {
            let (from, to) = if turn % 2 == 0 { (one, other) } else { (other, one) };
            for line in 0..length {
                self.world
                    .send(from, &to.address().jid, &format!("turn {turn}, line {line}"));
            }
            assert_eq!(self.world.receive(to).len(), length);
        }
        self.world.settle();
        self.world.assert_all_read();
    }
}

fn namespaces(protocols: &Protocols) -> Vec<Namespace> {
    protocols.iter().map(|protocol| protocol.namespace()).collect()
}

fn jid(jid: &str) -> BareJid {
    BareJid::new(jid).unwrap()
}

/// Whether the key for a device is marked as a key exchange.
fn is_key_exchange(message: &Message, device: &dyn Device) -> bool {
    let key = message.key_for(&device.address().jid, device.id());
    key.unwrap().key_exchange
}
