//! Devices come and go.

use omemo_storage::Storage;

use super::cast::MAX_DEVICES;
use super::world::World;

impl<S: Storage> World<'_, S> {
    pub(super) fn adds_device(&mut self, account: usize) {
        let place = self.devices_of(account).len();
        if place == MAX_DEVICES {
            return;
        }
        let device = self.add(account, place);
        for namespace in self.devices[device].namespaces.clone() {
            self.unlisted.insert((device, namespace));
        }
        self.opens(device);
        self.tell(device, "is new");
    }

    /// The device is taken off the list by another client, unless it is the last.
    pub(super) fn removes_device(&mut self, device: usize) {
        let account = self.devices[device].account_number;
        let present = self.present().into_iter();
        if present
            .filter(|other| self.devices[*other].account_number == account)
            .count()
            < 2
        {
            return;
        }
        self.leaves_for_good(device);
        self.tell(device, "is taken off the list, and gone");
        for namespace in self.devices[device].namespaces.clone() {
            let jid = self.devices[device].jid.clone();
            let id = self.devices[device].id;
            if let Some(list) = self.server.lists.get_mut(&(namespace.clone(), jid.clone())) {
                list.devices.remove(&id);
            }
            self.announces(&namespace, &jid);
        }
    }

    /// The device does nothing more.
    pub(super) fn leaves_for_good(&mut self, device: usize) {
        self.devices[device].gone = true;
        self.devices[device].mail.clear();
        for text in &mut self.texts {
            text.for_whom.remove(&device);
        }
    }
}
