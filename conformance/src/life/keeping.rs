//! What a device does for itself.

use omemo_sansio::{Account, BundleFailure, DeviceAddress, OutboxFailure};
use omemo_storage::Storage;

use super::cast;
use super::world::World;
use super::writing::is_passing;
use crate::scene::{Interrupted, drive};

/// How long a catch-up stays open: a day.
const CATCH_UP: u64 = 86_400;

impl<S: Storage> World<'_, S> {
    pub(super) fn catches_up(&mut self, device: usize) {
        self.struck = false;
        let ended = match self.devices[device].catch_up.clone() {
            Some((catch_up, _)) => {
                self.tell(device, "has caught up");
                drive(self, device, |account| account.end_catch_up(catch_up)).map(|_| None)
            }
            None => {
                self.tell(device, "begins to catch up");
                let given_up = self.now + CATCH_UP;
                drive(self, device, Account::begin_catch_up).map(|(catch_up, _)| Some((catch_up, given_up)))
            }
        };
        self.model.forgets_hidden(device);
        match ended {
            Ok(catch_up) => self.devices[device].catch_up = catch_up,
            Err(Interrupted::Failed(error)) if !(self.struck && is_passing(&error)) => {
                self.finds(|| format!("a catch-up fails: {error}"));
            }
            Err(_) => {}
        }
    }

    /// The clock was set back: a catch-up that began more than a day later seems to be of a clock that was ahead.
    pub(super) fn may_give_up_catch_ups(&mut self) {
        for device in 0..self.devices.len() {
            let catch_up = self.devices[device].catch_up.as_ref();
            if catch_up.is_some_and(|(_, given_up)| *given_up - self.now > 2 * CATCH_UP) {
                self.loses_catch_up(device);
            }
        }
    }

    pub(super) fn keeps_house(&mut self, device: usize) {
        self.tell(device, "keeps house");
        self.struck = false;
        let failed = match drive(self, device, Account::maintain) {
            Ok((maintained, _)) => maintained.outbox.failed,
            Err(Interrupted::Died { .. }) => return self.tell(device, "dies over it"),
            Err(Interrupted::Failed(error)) if self.struck && is_passing(&error) => {
                return self.tell(device, &format!("cannot: {error}"));
            }
            Err(Interrupted::Failed(error)) => return self.finds(|| format!("housekeeping fails: {error}")),
        };
        for (item, failure) in failed {
            let explained = match &failure {
                OutboxFailure::Network(_) | OutboxFailure::AfterBundle => self.struck,
                OutboxFailure::Bundle(BundleFailure::Network(_)) => self.struck,
                // A device that is gone, or that this one was told is not listed.
                OutboxFailure::Bundle(BundleFailure::Missing) => true,
                _ => false,
            };
            if !explained {
                self.finds(|| format!("{item:?} stays in the outbox: {failure:?}"));
            }
        }
    }

    /// New sessions take the place of those that a device has with another.
    pub(super) fn replaces_sessions(&mut self, device: usize, other: usize) {
        let name = self.name(other).to_owned();
        self.tell(device, &format!("replaces its sessions with {name}"));
        let address = DeviceAddress {
            jid: self.devices[other].jid.clone(),
            device: self.devices[other].id,
        };
        let mut had = self.devices[device].namespaces.clone();
        had.retain(|namespace| self.model.of(device).has_session(other, namespace));
        self.struck = false;
        match drive(self, device, |account| account.replace_sessions(address)) {
            Ok((replaced, _)) => {
                for namespace in had.iter().filter(|namespace| !replaced.contains_key(namespace)) {
                    self.finds(|| format!("a session of {namespace} is not replaced"));
                }
                for (namespace, outcome) in replaced {
                    match outcome {
                        Ok(()) => self.model.replaces(device, other, &namespace, self.now),
                        Err(BundleFailure::Network(_)) if self.struck => {}
                        Err(failure) => self.finds(|| format!("a session cannot be replaced: {failure:?}")),
                    }
                }
            }
            Err(Interrupted::Died { committed: true }) => {
                for namespace in had {
                    self.model.replaces(device, other, &namespace, self.now);
                }
            }
            Err(Interrupted::Failed(error)) if !(self.struck && is_passing(&error)) => {
                self.finds(|| format!("sessions cannot be replaced: {error}"));
            }
            Err(_) => self.tell(device, "does not get to it"),
        }
    }

    /// A device forgets all it knows of an account.
    pub(super) fn forgets(&mut self, device: usize, account: usize) {
        self.tell(device, &format!("forgets {}", cast::person(account)));
        self.struck = false;
        match drive(self, device, |this| this.purge_contact(cast::jid(account))) {
            Ok(_) | Err(Interrupted::Died { committed: true }) => {
                for other in self.devices_of(account) {
                    self.model.forgets(device, other);
                }
                if self.stored(device).contacts().contains(&cast::jid(account)) {
                    self.finds(|| "something is left of a contact that was forgotten".to_owned());
                }
            }
            Err(Interrupted::Failed(error)) if !(self.struck && is_passing(&error)) => {
                self.finds(|| format!("a contact is not forgotten: {error}"));
            }
            Err(_) => self.tell(device, "does not get to it"),
        }
    }
}
