//! Device lists with devices that are gone.

use std::collections::BTreeSet;

use omemo_sansio::{DeviceEntry, DeviceId};
use omemo_storage::Storage;

use crate::faults::prepared::{BOTH, JULIET, LAPTOP, PHONE};
use crate::faults::world::World;

/// A device that nobody has.
const STALE: DeviceId = DeviceId::new(4711);

/// Who refreshes the lists hears of a device in each protocol. After all are taken off just one is left, and one that is
/// still in use comes back.
pub(super) fn tell<S: Storage>(world: &mut World<'_, S>) {
    let jid = world.jid(PHONE);
    for namespace in &BOTH {
        let list = world.server.lists.get_mut(&(namespace.clone(), jid.clone()));
        let stale = DeviceEntry { label: None };
        list.unwrap().devices.insert(STALE, stale);
    }

    world.at_stake = true;
    world.refreshes(JULIET, &jid);
    assert_eq!(
        world.listed(JULIET),
        BTreeSet::from([world.id(PHONE), world.id(LAPTOP), STALE])
    );
    world.refreshes(PHONE, &jid);
    let cleared = world.changes(PHONE, |account| account.clear_device_lists());
    if !cleared.lost {
        let cleared: BTreeSet<_> = cleared.output.into_iter().collect();
        assert_eq!(cleared, BTreeSet::from([world.id(LAPTOP), STALE]));
    }
    world.flushes(PHONE);
    for namespace in &BOTH {
        let list = &world.server.lists[&(namespace.clone(), jid.clone())];
        let left: Vec<_> = list.devices.keys().copied().collect();
        assert_eq!(left, [world.id(PHONE)], "in {namespace}");
    }
    world.refreshes(LAPTOP, &jid);
    world.flushes(LAPTOP);
    world.refreshes(JULIET, &jid);
    assert_eq!(
        world.listed(JULIET),
        BTreeSet::from([world.id(PHONE), world.id(LAPTOP)])
    );
}

impl<S: Storage> World<'_, S> {
    /// The devices of the phone's account that a device believes to be listed, the same in both protocols.
    fn listed(&mut self, device: usize) -> BTreeSet<DeviceId> {
        let jid = self.jid(PHONE);
        let known = self.asks(device, |account| account.device_information(jid.clone()));
        let [new, old] = BOTH.map(|namespace| {
            let active = known
                .devices
                .iter()
                .filter(|device| device.protocols.get(&namespace) == Some(&true));
            active.map(|device| device.device).collect::<BTreeSet<_>>()
        });
        assert_eq!(new, old);
        new
    }
}
