//! What a device is called.

use omemo_sansio::Namespace;
use omemo_storage::Storage;

use crate::faults::prepared::{JULIET, LAPTOP, PHONE};
use crate::faults::world::World;

/// Others hear of a name, and of its end; it is not published again where nothing has changed.
pub(super) fn tell<S: Storage>(world: &mut World<'_, S>) {
    for label in [Some("a better label"), None] {
        world.at_stake = true;
        let set = label.map(str::to_owned);
        world.changes(PHONE, |account| account.set_own_label(set.clone()));
        world.looks(PHONE, |account| account.set_own_label(set.clone()));
        world.flushes(PHONE);
        let list = &world.server.lists[&(Namespace::OMEMO_2, world.jid(PHONE))];
        let published = list.devices[&world.id(PHONE)].label.as_ref();
        assert_eq!(published.map(|published| published.text.as_str()), label);
        world.at_stake = false;
        world.hears_of_lists();
        world.at_stake = true;
        for device in [PHONE, JULIET, LAPTOP] {
            assert_eq!(world.knows(device, PHONE)[0].label.as_deref(), label);
        }
    }
}
