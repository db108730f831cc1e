//! The devices, what is between them, and what was seen to be wrong.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use omemo_sansio::{Account, DeviceId, Namespace, Settings, Timestamp};
use omemo_storage::blocking::wait;
use omemo_storage::{CommitId, Storage};
use rand_core::Rng;

use super::cast::{self, Cast};
use super::device::Device;
use super::meddling::Meddler;
use super::model::Model;
use super::story::Story;
use crate::faults::TestRng;
use crate::scene::{Copy, Server, UsedKeys};

/// When everything begins.
pub(super) const START: Timestamp = Timestamp::from_unix(1_800_000_000);

/// Everything there is.
pub(super) struct World<'a, S> {
    pub(super) cast: Cast,
    pub(super) accounts: usize,
    pub(super) devices: Vec<Device<S>>,
    pub(super) server: Server,
    pub(super) model: Model,
    pub(super) now: Timestamp,
    /// The latest time there was: the clock may have gone back since.
    pub(super) latest: Timestamp,
    pub(super) texts: Vec<Text>,
    pub(super) story: Story,
    pub(super) seen: Seen,
    pub(super) used: UsedKeys,
    /// The content keys that were used, and the initialisation vectors.
    pub(super) content_keys: BTreeSet<Vec<u8>>,
    pub(super) open: &'a dyn Fn(&str) -> S,
    /// The devices that were not on the list of their account at some time.
    pub(super) unlisted: BTreeSet<(usize, Namespace)>,
    /// A fault has struck the operation under way.
    pub(super) struck: bool,
    /// Another process is at work in the middle of an operation.
    pub(super) interrupted: bool,
    /// No other process may be at work on the account of the device.
    pub(super) alone: bool,
    /// The first thing that was wrong.
    pub(super) finding: Option<String>,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Effects performed.
    pub effects: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Messages that were read, each by one device.
    pub read: u64,
    /// Messages that came again and were known.
    pub repeated: u64,
    /// Messages that could not be read, and need not be.
    pub lost: u64,
    /// Messages that everybody has written to everybody at the end, each for one device.
    pub greetings: u64,
    /// Those of them that could not be read, and need not be: two devices need the application to open a new session.
    pub deaf: u64,
    /// Those of these where the server hands out all pre keys of a bundle: several have chosen the same by chance.
    pub unlucky: u64,
}

/// A text that somebody has written.
pub(super) struct Text {
    pub(super) text: String,
    /// What became of it for each device it was for.
    pub(super) for_whom: BTreeMap<usize, Fate>,
}

/// What became of a message for one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    OnItsWay,
    Read,
    /// The process has died with it in its hands, after the commit.
    DiedWith,
    /// It was lost on its way, or could not be read and need not be.
    Lost,
}

impl<'a, S: Storage> World<'a, S> {
    pub(super) fn new(cast: Cast, story: Story, open: &'a dyn Fn(&str) -> S) -> Self {
        Self {
            cast,
            accounts: cast.accounts().len(),
            devices: Vec::new(),
            server: Server {
                offered: cast.offered(),
                ..Server::default()
            },
            model: Model::default(),
            now: START,
            latest: START,
            texts: Vec::new(),
            story,
            seen: Seen::default(),
            used: UsedKeys::default(),
            content_keys: BTreeSet::new(),
            open,
            unlisted: BTreeSet::new(),
            struck: false,
            interrupted: false,
            alone: false,
            finding: None,
        }
    }

    /// A device with an empty storage, at this place of its account; returns its number.
    pub(super) fn add(&mut self, account: usize, place: usize) -> usize {
        let jid = cast::jid(account);
        let mut settings = Settings::new(jid.clone());
        settings.protocols = self.cast.protocols(place);
        settings.inbox = self.cast.keeps_inbox(place);
        let namespaces = settings
            .protocols
            .iter()
            .map(|protocol| protocol.namespace())
            .collect();
        let name = cast::device_name(account, place);
        let number = self.devices.len();
        self.devices.push(Device {
            storage: (self.open)(&name),
            name,
            account_number: account,
            jid,
            namespaces,
            account: Account::new(settings).unwrap(),
            rng: TestRng::new(1_000 + number as u64),
            id: DeviceId::new(0),
            mail: VecDeque::new(),
            gone: false,
            adrift: false,
            blow: None,
            meddler: Meddler::Writes,
            failing_uploads: 0,
            catch_up: None,
            copy: None,
        });
        self.model.add(self.now);
        number
    }

    /// Every device an account has had.
    pub(super) fn devices_of(&self, account: usize) -> Vec<usize> {
        let of_account = |number: &usize| self.devices[*number].account_number == account;
        (0..self.devices.len()).filter(of_account).collect()
    }

    /// The devices that are there.
    pub(super) fn present(&self) -> Vec<usize> {
        (0..self.devices.len())
            .filter(|device| !self.devices[*device].gone)
            .collect()
    }

    pub(super) fn name(&self, device: usize) -> &str {
        &self.devices[device].name
    }

    /// Something is wrong. The first such thing counts.
    pub(super) fn finds(&mut self, what: impl FnOnce() -> String) {
        if self.finding.is_none() {
            let what = what();
            self.story.tell(|| format!("THIS IS WRONG: {what}"));
            self.story.ends();
            self.finding = Some(what);
        }
    }

    /// The clock is set.
    pub(super) fn set_clock(&mut self, now: Timestamp) {
        self.now = now;
        self.latest = self.latest.max(now);
    }

    /// Takes the copy for what the device has stored.
    pub(super) fn installs(&mut self, device: usize, copy: &Copy) {
        let this = &mut self.devices[device];
        let mut id = [0; 16];
        this.rng.fill_bytes(&mut id);
        copy.put_back(&this.storage, this.account.id(), CommitId::from_bytes(id));
    }

    /// The catch-up stays open until it is given up, but nobody knows its name any more.
    pub(super) fn loses_catch_up(&mut self, device: usize) {
        self.devices[device].catch_up = None;
        self.model.forgets_hidden(device);
    }

    /// Whether a catch-up is certainly open.
    pub(super) fn is_catching_up(&mut self, device: usize) -> bool {
        let open = self.devices[device].catch_up.as_ref();
        let is_open = open.is_some_and(|(_, given_up)| self.latest < *given_up);
        if !is_open {
            self.loses_catch_up(device);
        }
        is_open
    }

    /// Purges what was written.
    pub(super) fn ends(&self) {
        for device in &self.devices {
            wait(device.storage.purge(device.account.id())).unwrap();
        }
    }
}
