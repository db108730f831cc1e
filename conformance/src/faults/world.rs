//! The devices, and the server between them.

use std::collections::VecDeque;
use std::sync::Arc;

use omemo_sansio::engine::{Effect, Operation, SendMessage};
use omemo_sansio::protocol::Omemo2;
use omemo_sansio::{Account, BareJid, DeviceId, EncryptedMessage, IncomingMessage, Settings, Timestamp};
use omemo_storage::blocking::wait;
use omemo_storage::{Batch, CommitId, Committed, Query, Storage};
use rand_core::Rng;

use super::ledger::Ledger;
use super::rng::TestRng;
use super::{Fault, Strike};
use crate::scene::{self, Interrupted, Running, Scene, Server};

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
            account: Account::new(Settings {
                protocols: vec![Arc::new(Omemo2)],
                ..Settings::new(jid.clone())
            })
            .unwrap(),
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

    /// Drives an operation of a device to its end.
    pub(super) fn drive<T>(
        &mut self,
        device: usize,
        make: impl FnOnce(&Account) -> Operation<T>,
    ) -> Result<(T, bool), Interrupted> {
        scene::drive(self, device, make)
    }

    pub(super) fn begin<T>(
        &mut self,
        device: usize,
        make: impl FnOnce(&Account) -> Operation<T>,
    ) -> Running<T> {
        scene::begin(self, device, make)
    }

    pub(super) fn proceed<T>(&mut self, running: &mut Running<T>) -> Result<Option<T>, Interrupted> {
        scene::proceed(self, running)
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

impl<S: Storage> Scene for World<'_, S> {
    type Storage = S;

    fn now(&self) -> Timestamp {
        self.now
    }

    fn account(&self, device: usize) -> &Account {
        &self.devices[device].account
    }

    fn storage(&self, device: usize) -> &S {
        &self.devices[device].storage
    }

    fn rng(&mut self, device: usize) -> &mut TestRng {
        &mut self.devices[device].rng
    }

    fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    fn next_effect(&mut self, _: usize, effect: &Effect) -> Option<Fault> {
        let is_commit = matches!(effect, Effect::Store(..));
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

    fn sends(&mut self, device: usize, send: &SendMessage) {
        self.ledger.leaves(&send.message);
        self.post(device, &send.message, None);
    }

    /// Writes each record that the batch relies on anew, as another process would that changes nothing.
    fn meddle(&mut self, device: usize, batch: &Batch) -> bool {
        let this = &mut self.devices[device];
        let mut query = Query::new();
        query.records.extend(batch.stakes().map(|(key, _)| key.clone()));
        let snapshot = wait(this.storage.load(this.account.id(), &query)).unwrap();
        let mut id = [0; 16];
        this.rng.fill_bytes(&mut id);
        let mut meddling = Batch::new(CommitId::from_bytes(id));
        for (key, record) in snapshot.records {
            meddling.put(key, Some(record.revision), record.value);
        }
        if meddling.writes() == 0 {
            // All it relies on is absence, and nothing that is there could be written anew.
            return false;
        }
        assert_eq!(
            wait(this.storage.commit(this.account.id(), &meddling)).unwrap(),
            Committed::Applied
        );
        true
    }

    fn met_conflict(&mut self) {
        self.conflicts += 1;
    }

    fn restart(&mut self, device: usize) {
        let device = &mut self.devices[device];
        device.storage = (self.open)(device.name);
    }
}
