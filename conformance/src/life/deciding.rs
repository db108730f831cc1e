//! What people decide: whom to trust, and what their devices are called.

use omemo_sansio::trust::TrustLevel;
use omemo_sansio::{DeviceInformation, Namespace};
use omemo_storage::Storage;

use super::world::World;
use super::writing::is_passing;
use crate::scene::{Interrupted, drive};

impl<S: Storage> World<'_, S> {
    /// The key of another device is distrusted from now on, or trusted again, if it is known.
    pub(super) fn decides(&mut self, device: usize, other: usize, trusts: bool) {
        let (does, level) = match trusts {
            true => ("trusts", TrustLevel::BLINDLY_TRUSTED),
            false => ("distrusts", TrustLevel::DISTRUSTED),
        };
        let Some(key) = self.knows(device, other).and_then(|known| known.identity_key) else {
            return;
        };
        let name = self.name(other).to_owned();
        self.tell(device, &format!("{does} {name}"));
        let jid = self.devices[other].jid.clone();
        self.struck = false;
        match drive(self, device, |account| account.set_trust(jid, key, level)) {
            Ok(_) | Err(Interrupted::Died { committed: true }) => {
                let distrusted = &mut self.model.of_mut(device).distrusted;
                if trusts {
                    distrusted.remove(&other);
                } else {
                    distrusted.insert(other);
                }
            }
            Err(Interrupted::Failed(error)) if !(self.struck && is_passing(&error)) => {
                self.finds(|| format!("a decision is not taken: {error}"));
            }
            Err(_) => self.tell(device, "does not get to it"),
        }
    }

    /// What a device knows of another.
    fn knows(&mut self, device: usize, other: usize) -> Option<DeviceInformation> {
        let (jid, id) = (self.devices[other].jid.clone(), self.devices[other].id);
        self.struck = false;
        match drive(self, device, |account| account.device_information(jid)) {
            Ok((known, _)) => known.devices.into_iter().find(|known| known.device == id),
            Err(Interrupted::Failed(error)) if !(self.struck && is_passing(&error)) => {
                self.finds(|| format!("nothing is said of devices: {error}"));
                None
            }
            Err(_) => None,
        }
    }

    /// A device gets a name, or loses it.
    pub(super) fn is_renamed(&mut self, device: usize, name: u8) {
        let label = (!name.is_multiple_of(4)).then(|| format!("number {}", name % 4));
        self.tell(device, &format!("is called {label:?} from now on"));
        self.struck = false;
        match drive(self, device, |account| account.set_own_label(label.clone())) {
            Ok(_) | Err(Interrupted::Died { committed: true }) => self.model.of_mut(device).label = label,
            Err(Interrupted::Failed(error)) if !(self.struck && is_passing(&error)) => {
                self.finds(|| format!("a name is not taken: {error}"));
            }
            Err(_) => self.tell(device, "does not get to it"),
        }
    }

    /// Everybody trusts everybody again.
    pub(super) fn all_are_trusted(&mut self) {
        for device in self.present() {
            for other in self.model.of(device).distrusted.clone() {
                if !self.devices[other].gone {
                    self.decides(device, other, true);
                }
            }
        }
    }

    /// Everybody knows what every other device is called that is on a list with names.
    pub(super) fn all_names_are_known(&mut self) {
        for (device, other) in self.pairs() {
            let speaks = |device: usize| self.devices[device].namespaces.contains(&Namespace::OMEMO_2);
            if !speaks(device) || !speaks(other) {
                continue;
            }
            let known = self.knows(device, other).and_then(|known| known.label);
            if known != self.model.of(other).label {
                let (name, other_name) = (self.name(device).to_owned(), self.name(other).to_owned());
                let label = self.model.of(other).label.clone();
                self.finds(|| format!("{name} knows {other_name} as {known:?}, not as {label:?}"));
            }
        }
    }

    /// Every device that is there, with every other.
    pub(super) fn pairs(&self) -> Vec<(usize, usize)> {
        let all = self.present();
        let pairs = all.iter().flat_map(|one| all.iter().map(|other| (*one, *other)));
        pairs.filter(|(one, other)| one != other).collect()
    }
}
