//! Devices are put back to what they were.

use omemo_sansio::Account;
use omemo_storage::Storage;

use super::world::World;
use super::writing::is_passing;
use crate::scene::{Copy, Interrupted, Scene, drive};

/// How often a restore may be interrupted.
const ATTEMPTS: usize = 4;

impl<S: Storage> World<'_, S> {
    /// A copy is made of what a device has stored.
    pub(super) fn is_copied(&mut self, device: usize) {
        self.devices[device].copy = Some((self.stored(device), self.model.copy(device)));
        self.tell(device, "is copied");
    }

    /// All that a device has stored.
    pub(super) fn stored(&self, device: usize) -> Copy {
        let this = &self.devices[device];
        Copy::of(&this.storage, this.account.id())
    }

    pub(super) fn is_put_back(&mut self, device: usize) {
        let Some((copy, holdings)) = self.devices[device].copy.clone() else {
            return;
        };
        self.installs(device, &copy);
        self.restart(device);
        self.model.put_back(device, holdings);
        self.devices[device].adrift = true;
        self.tell(device, "is put back to an old copy, and nobody tells the library");
    }

    /// As [`is_put_back`](Self::is_put_back), and the library is told.
    pub(super) fn is_restored(&mut self, device: usize) {
        let Some((copy, holdings)) = self.devices[device].copy.clone() else {
            return;
        };
        self.installs(device, &copy);
        self.restart(device);
        self.tell(device, "is put back to an old copy, and the library is told");
        // What is told to one process is not told to others.
        self.alone = true;
        let restored = (0..ATTEMPTS).any(|_| self.drops_sessions(device, &copy));
        self.alone = false;
        if !restored {
            return self.finds(|| "a restore does not come to its end".to_owned());
        }
        self.model.is_restored(device, holdings);
        if self.stored(device).has_sessions() {
            self.finds(|| "sessions outlive a restore".to_owned());
        }
    }

    /// Does what a client does that is opened as restored. Tells whether it has come to its end.
    fn drops_sessions(&mut self, device: usize, copy: &Copy) -> bool {
        self.struck = false;
        let dropped = drive(self, device, Account::begin_accepting_copy)
            .and_then(|_| {
                let contacts = copy.contacts().into_iter();
                contacts
                    .map(|jid| drive(self, device, |account| account.forget_sessions(vec![jid], None)))
                    .try_for_each(|forgotten| forgotten.map(drop))
            })
            .and_then(|()| drive(self, device, Account::end_accepting_copy))
            .and_then(|_| drive(self, device, |account| account.open(None)));
        match dropped {
            Ok(_) => return true,
            Err(Interrupted::Failed(error)) if !(self.struck && is_passing(&error)) => {
                self.finds(|| format!("a restore fails: {error}"));
            }
            Err(_) => self.tell(device, "is interrupted over it"),
        }
        false
    }
}
