//! The devices, and the server between them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use omemo_sansio::engine::{Effect, Operation, SendMessage};
use omemo_sansio::protocol::{Omemo2, Protocol};
use omemo_sansio::trust::{TrustDecision, TrustLevel, UndecidedKey};
use omemo_sansio::{Account, BareJid, DeviceId, EncryptedMessage, IncomingMessage, Settings, Timestamp};
use omemo_storage::blocking::wait;
use omemo_storage::{Batch, CommitId, Committed, Query, Storage};
use rand_core::Rng;

use super::ledger::Ledger;
use super::outcome::Outcome;
use super::rng::TestRng;
use super::{Fault, Strike};
use crate::scene::{self, Interrupted, Running, Scene, Server};

/// Everything there is.
pub(crate) struct World<'a, S> {
    pub(super) devices: Vec<Device<S>>,
    pub(super) server: Server,
    pub(super) ledger: Ledger,
    pub(super) now: Timestamp,
    /// What devices speak that come from now on, most preferred first.
    pub(super) protocols: Vec<Arc<dyn Protocol>>,
    /// What a person answers who is asked whom to trust; nobody is there to ask otherwise.
    pub(super) person: Option<TrustLevel>,
    pub(super) open: Box<dyn Fn(&str) -> S + 'a>,
    pub(super) strike: Option<Strike>,
    /// Whether faults may strike, and effects count.
    pub(super) at_stake: bool,
    /// How many effects there were so far, of which kinds, and which of them were commits.
    effects: usize,
    kinds: BTreeSet<&'static str>,
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
    /// Nobody uses it any more.
    pub(super) gone: bool,
}

/// How a telling went.
pub(super) struct Told {
    pub(super) conflicts: usize,
    pub(super) effects: usize,
    pub(super) kinds: BTreeSet<&'static str>,
    pub(super) commits: Vec<usize>,
    pub(super) struck: bool,
    pub(super) outcome: Outcome,
}

impl<'a, S: Storage> World<'a, S> {
    pub(super) fn new(open: impl Fn(&str) -> S + 'a, strike: Option<Strike>) -> Self {
        Self {
            devices: Vec::new(),
            server: Server::default(),
            ledger: Ledger::default(),
            now: Timestamp::from_unix(1_800_000_000),
            protocols: vec![Arc::new(Omemo2)],
            person: None,
            open: Box::new(open),
            strike,
            at_stake: true,
            effects: 0,
            kinds: BTreeSet::new(),
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
                protocols: self.protocols.clone(),
                ..Settings::new(jid.clone())
            })
            .unwrap(),
            jid,
            storage: (self.open)(name),
            rng: TestRng::new(self.devices.len() as u64 + 1),
            id: None,
            mail: VecDeque::new(),
            gone: false,
        });
        self.devices.len() - 1
    }

    /// A second process of a device, with a handle of its own on the same storage; returns its number. Mail comes to the
    /// first.
    pub(super) fn twin(&mut self, device: usize) -> usize {
        let (name, jid) = (self.devices[device].name, self.devices[device].jid.clone());
        let twin = self.add(name, jid.as_str());
        // The first asked for the storage under this name; asked again, it is opened again.
        self.devices[twin].account = self.devices[device].account.clone();
        self.devices[twin].id = None;
        twin
    }

    /// The application of a device chooses other settings.
    pub(super) fn sets(&mut self, device: usize, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.devices[device].account.settings().clone();
        change(&mut settings);
        self.devices[device].account = Account::new(settings).unwrap();
    }

    pub(super) fn jid(&self, device: usize) -> BareJid {
        self.devices[device].jid.clone()
    }

    pub(super) fn id(&self, device: usize) -> DeviceId {
        self.devices[device].id.expect("a device that was opened")
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

    /// Puts a message into the mail of every device it has a key for. Legacy OMEMO does not say whose device that is.
    pub(super) fn post(&mut self, from: usize, message: &EncryptedMessage, text: Option<&str>) {
        let sender = self.devices[from].jid.clone();
        for device in self.devices.iter_mut().filter(|device| !device.gone) {
            let for_it = message.recipients.iter().any(|recipient| {
                recipient.jid.as_ref().is_none_or(|jid| *jid == device.jid)
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

    /// Checks what was read and what is stored, and purges it.
    pub(super) fn end(self) -> Told {
        self.ledger.check();
        let outcome = self.outcome();
        for device in &self.devices {
            wait(device.storage.purge(device.account.id())).unwrap();
        }
        Told {
            conflicts: self.conflicts,
            effects: self.effects,
            kinds: self.kinds,
            commits: self.commits,
            struck: self.struck,
            outcome,
        }
    }
}

/// Every kind of effect, as [`kind_of`] names them.
pub(super) const KINDS: usize = 9;

fn kind_of(effect: &Effect) -> &'static str {
    match effect {
        Effect::Load(..) => "load",
        Effect::Store(..) => "store",
        Effect::DownloadBundle(..) => "download of a bundle",
        Effect::UploadBundle(..) => "upload of a bundle",
        Effect::DeleteBundle(..) => "deletion of a bundle",
        Effect::DownloadDeviceList(..) => "download of a device list",
        Effect::UploadDeviceList(..) => "upload of a device list",
        Effect::SendMessage(..) => "message",
        Effect::AskTrust(..) => "question",
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
        if !self.at_stake {
            return None;
        }
        let is_commit = matches!(effect, Effect::Store(..));
        let this = self.effects;
        self.effects += 1;
        self.kinds.insert(kind_of(effect));
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

    fn is_asked(&mut self, _: usize, undecided: &[UndecidedKey]) -> Vec<TrustDecision> {
        let Some(level) = &self.person else {
            return Vec::new();
        };
        let decide = |key: &UndecidedKey| TrustDecision {
            jid: key.jid.clone(),
            identity_key: key.identity_key,
            level: level.clone(),
        };
        undecided.iter().map(decide).collect()
    }

    fn restart(&mut self, device: usize) {
        let device = &mut self.devices[device];
        device.storage = (self.open)(device.name);
    }
}
