//! What every device does in every story: it comes, hears of the others, and answers.

use omemo_sansio::{Account, DeviceInformation};
use omemo_storage::Storage;

use super::asking::ATTEMPTS;
use super::world::World;

impl<S: Storage> World<'_, S> {
    pub(super) fn opens(&mut self, name: &'static str, jid: &str) -> usize {
        let device = self.add(name, jid);
        let opened = self.changes(device, |account| account.open(Some("a label".to_owned())));
        self.devices[device].id = Some(opened.output.device);
        self.flushes(device);
        device
    }

    /// Nobody uses the device any more; what it has stored stays.
    pub(super) fn retires(&mut self, device: usize) {
        self.devices[device].gone = true;
        for (_, text) in std::mem::take(&mut self.devices[device].mail) {
            let id = self.id(device);
            text.into_iter().for_each(|text| self.ledger.excuse(&text, id));
        }
    }

    /// Flushes until nothing is left.
    pub(super) fn flushes(&mut self, device: usize) {
        for _ in 0..ATTEMPTS {
            if self.asks(device, Account::flush).failed.is_empty() {
                return;
            }
        }
        panic!("the outbox of {} does not empty", self.devices[device].name);
    }

    /// Everybody is told of every device list, in the protocols that they speak.
    pub(super) fn hears_of_lists(&mut self) {
        for device in self.present() {
            for ((namespace, jid), list) in self.server.lists.clone() {
                let settings = self.devices[device].account.settings();
                if settings
                    .protocols
                    .iter()
                    .any(|protocol| protocol.namespace() == namespace)
                {
                    self.asks(device, |account| {
                        account.update_device_list(namespace.clone(), jid.clone(), list.clone())
                    });
                }
            }
            self.flushes(device);
        }
    }

    /// What a device knows of the devices of another's account, the other first; asked until nothing is left to download.
    pub(super) fn knows(&mut self, device: usize, other: usize) -> Vec<DeviceInformation> {
        let (jid, id) = (self.jid(other), self.id(other));
        for _ in 0..ATTEMPTS {
            let mut known = self.asks(device, |account| account.device_information(jid.clone()));
            if known.unlisted.is_empty() && known.unidentified.is_empty() {
                known.devices.sort_by_key(|known| known.device != id);
                return known.devices;
            }
        }
        panic!("{} cannot be known", self.devices[other].name);
    }

    /// Everybody reads and answers until nothing moves.
    pub(super) fn settles(&mut self) {
        for _ in 0..4 {
            for device in self.present() {
                self.reads_all(device);
                self.flushes(device);
            }
            if self.devices.iter().all(|device| device.mail.is_empty()) {
                return;
            }
        }
        panic!("the outboxes never rest");
    }

    /// In the end everybody can still talk to everybody, so many times.
    pub(super) fn all_talk(&mut self, rounds: usize) {
        self.settles();
        let namespaces: Vec<_> = self
            .protocols
            .iter()
            .map(|protocol| protocol.namespace())
            .collect();
        for round in 0..rounds {
            for device in self.present() {
                let here = &self.devices[device].jid;
                let there = self.devices.iter().find(|other| other.jid != *here).unwrap();
                let to = there.jid.as_str().to_owned();
                for namespace in &namespaces {
                    let text = format!("number {device}, at the end, round {round}, in {namespace}");
                    self.says_in(namespace, device, &to, &text);
                    self.settles();
                }
            }
        }
    }

    /// The devices that somebody uses.
    pub(super) fn present(&self) -> Vec<usize> {
        (0..self.devices.len())
            .filter(|device| !self.devices[*device].gone)
            .collect()
    }
}
