//! Our clients and libomemo-c, on one server, in each of the protocols that libomemo-c knows.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: what goes wrong here is a failed test"
)]

mod both;
mod chains;
mod contact;
mod crowd;
mod key_exchange;
mod sessions;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use omemo::{BareJid, Namespace, Protocol};
use omemo_interop::{Address, Device, Libomemo, LibomemoDevice, Message, Ours, World};
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

/// A world that speaks one protocol, and the process for the devices of libomemo-c in it.
struct Stage {
    world: World,
    protocol: Arc<dyn Protocol>,
    peer: Rc<RefCell<Libomemo>>,
}

impl Stage {
    fn new(name: &str, protocol: Arc<dyn Protocol>, seed: u64) -> Self {
        let name = format!("libomemo-c, {}: {name}", protocol.namespace());
        let peer = Libomemo::start(Path::new(env!("CARGO_TARGET_TMPDIR")));
        Self {
            world: World::new(name, seed),
            protocol,
            peer: Rc::new(RefCell::new(peer)),
        }
    }

    fn namespace(&self) -> Namespace {
        self.protocol.namespace()
    }

    fn ours(&mut self, name: &str) -> Rc<Ours<MemoryStorage>> {
        let protocols = vec![Arc::clone(&self.protocol)];
        self.ours_speaking(name, protocols)
    }

    fn ours_speaking(&mut self, name: &str, protocols: Vec<Arc<dyn Protocol>>) -> Rc<Ours<MemoryStorage>> {
        let address = Address::new(&jid(ROMEO), name);
        let device = Ours::open(
            self.world.server(),
            address,
            protocols,
            None,
            MemoryStorage::new(),
        );
        self.world.add(device)
    }

    fn theirs(&mut self, name: &str) -> Rc<LibomemoDevice> {
        let namespace = self.namespace();
        self.theirs_speaking(name, vec![namespace])
    }

    fn theirs_speaking(&mut self, name: &str, protocols: Vec<Namespace>) -> Rc<LibomemoDevice> {
        let address = Address::new(&jid(JULIET), name);
        let device = LibomemoDevice::open(self.world.server(), &self.peer, address, protocols);
        self.world.add(device)
    }

    /// A device of each side, which know each other's device lists.
    fn pair(&mut self) -> (Rc<Ours<MemoryStorage>>, Rc<LibomemoDevice>) {
        let devices = (self.ours("phone"), self.theirs("balcony"));
        self.world.settle();
        devices
    }

    /// Sends from one device to the other's account, and delivers there what has arrived, this last.
    fn say(&mut self, from: &dyn Device, to: &dyn Device, text: &str) -> Arc<Message> {
        let message = self.world.send(from, &to.address().jid, text);
        assert_eq!(self.world.receive(to).last().map(String::as_str), Some(text));
        message
    }

    /// The empty messages that were sent so far.
    fn empty_messages(&self) -> usize {
        let messages = self.world.server().messages();
        messages.iter().filter(|message| message.empty).count()
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

fn jid(jid: &str) -> BareJid {
    BareJid::new(jid).unwrap()
}

/// Whether the key for a device is marked as a key exchange.
fn is_key_exchange(message: &Message, device: &dyn Device) -> bool {
    let key = message.key_for(&device.address().jid, device.id());
    key.unwrap().key_exchange
}
