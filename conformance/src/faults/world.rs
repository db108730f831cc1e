//! The devices, and the server between them.

use std::collections::{BTreeMap, VecDeque};

use omemo_sansio::{
    Account, BareJid, Bundle, DeviceId, DeviceList, EncryptedMessage, IncomingMessage, Settings, Timestamp,
};
use omemo_storage::Storage;

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

    pub(super) fn end(self) -> Told {
        self.ledger.check();
        Told {
            effects: self.effects,
            commits: self.commits,
            struck: self.struck,
        }
    }
}
