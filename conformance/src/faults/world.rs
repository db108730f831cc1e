//! The devices, and the server between them.

use std::collections::{BTreeMap, VecDeque};

use omemo_sansio::{
    Account, BareJid, Bundle, DeviceId, DeviceList, EncryptedMessage, IncomingMessage, Settings, Timestamp,
};
use omemo_storage::Storage;
use omemo_storage::blocking::wait;

use super::ledger::Ledger;
use super::rng::TestRng;
use super::{Fault, Strike};

/// Everything there is.
pub(crate) struct World<'a, S> {
    pub(super) devices: Vec<Device<S>>,
    pub(super) server: Server,
    pub(super) ledger: Ledger,
    pub(super) now: Timestamp,
    open: Box<dyn Fn(&str) -> S + 'a>,
    strike: Option<Strike>,
    /// How many effects there were so far, and which of them were commits.
    effects: usize,
    commits: Vec<usize>,
    struck: bool,
    /// How many commits were answered with a conflict that there was.
    pub(super) conflicts: usize,
}

/// A device and its process.
pub(super) struct Device<S> {
    pub(super) name: &'static str,
    pub(super) jid: BareJid,
    pub(super) account: Account,
    pub(super) storage: S,
    pub(super) rng: TestRng,
    pub(super) id: Option<DeviceId>,
    pub(super) mail: VecDeque<(IncomingMessage, Option<String>)>,
}

/// What the server keeps.
#[derive(Default)]
pub(super) struct Server {
    pub(super) bundles: BTreeMap<(BareJid, DeviceId), Bundle>,
    pub(super) lists: BTreeMap<BareJid, DeviceList>,
}

/// How a telling went.
pub(super) struct Told {
    pub(super) conflicts: usize,
    pub(super) effects: usize,
    pub(super) commits: Vec<usize>,
    pub(super) struck: bool,
}

impl<'a, S: Storage> World<'a, S> {
    pub(super) fn new(open: impl Fn(&str) -> S + 'a, strike: Option<Strike>) -> Self {
        Self {
            devices: Vec::new(),
            server: Server::default(),
            ledger: Ledger::default(),
            now: Timestamp::from_unix(1_800_000_000),
            open: Box::new(open),
            strike,
            effects: 0,
            commits: Vec::new(),
            struck: false,
            conflicts: 0,
        }
    }

    /// A new device of an account; returns its number.
    pub(super) fn add(&mut self, name: &'static str, jid: &str) -> usize {
        let jid = BareJid::new(jid).unwrap();
        self.devices.push(Device {
            name,
            account: Account::new(Settings::new(jid.clone())).unwrap(),
            jid,
            storage: (self.open)(name),
            rng: TestRng::new(self.devices.len() as u64 + 1),
            id: None,
            mail: VecDeque::new(),
        });
        self.devices.len() - 1
    }

    /// A second process of a device, with a handle of its own on the same storage; returns its number. Mail comes to the
    /// first.
    pub(super) fn twin(&mut self, device: usize) -> usize {
        let (name, jid) = (self.devices[device].name, self.devices[device].jid.clone());
        let twin = self.add(name, jid.as_str());
        // The first asked for the storage under this name; asked again, it is opened again.
        self.devices[twin].id = None;
        twin
    }

    /// The process dies; another takes its place.
    pub(super) fn restart(&mut self, device: usize) {
        let device = &mut self.devices[device];
        device.storage = (self.open)(device.name);
    }

    /// Counts an effect; the fault that strikes it.
    pub(super) fn next_effect(&mut self, is_commit: bool) -> Option<Fault> {
        let this = self.effects;
        self.effects += 1;
        if is_commit {
            self.commits.push(this);
        }
        let strike = self.strike.filter(|strike| strike.effect == this)?;
        if strike.fault.is_of_commits() && !is_commit {
            return None;
        }
        self.struck = true;
        Some(strike.fault)
    }

    /// Puts a message into the mail of every device it has a key for.
    pub(super) fn post(&mut self, from: usize, message: &EncryptedMessage, text: Option<&str>) {
        let sender = self.devices[from].jid.clone();
        for device in &mut self.devices {
            let for_it = message.recipients.iter().any(|recipient| {
                recipient.jid.as_ref() == Some(&device.jid)
                    && recipient.keys.iter().any(|key| Some(key.device) == device.id)
            });
            if for_it {
                let incoming = IncomingMessage {
                    sender: sender.clone(),
                    message: message.clone(),
                };
                device.mail.push_back((incoming, text.map(str::to_owned)));
            }
        }
    }

    /// Checks what was read and purges what was written.
    pub(super) fn end(self) -> Told {
        self.ledger.check();
        for device in &self.devices {
            wait(device.storage.purge(device.account.id())).unwrap();
        }
        Told {
            conflicts: self.conflicts,
            effects: self.effects,
            commits: self.commits,
            struck: self.struck,
        }
    }
}
