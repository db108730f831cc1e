//! What is published is not what it should be.

use omemo_sansio::{Account, Namespace, OutboxItem};
use omemo_storage::Storage;

use crate::faults::asking::ATTEMPTS;
use crate::faults::prepared::PHONE;
use crate::faults::world::World;

/// What was changed behind the device is found and put right, and once it is, nothing is found.
pub(super) fn tell<S: Storage>(world: &mut World<'_, S>) {
    let (jid, id) = (world.jid(PHONE), world.id(PHONE));
    let bundle = |namespace| (namespace, jid.clone(), id);
    let (new, old) = (bundle(Namespace::OMEMO_2), bundle(Namespace::LEGACY));
    let before = [&new, &old].map(|place| world.server.bundles[place].clone());
    let changed = world.server.bundles.get_mut(&new).unwrap();
    changed.pre_keys.pop_first();
    world.server.bundles.remove(&old);
    let list = (Namespace::OMEMO_2, jid.clone());
    world.server.lists.get_mut(&list).unwrap().devices.remove(&id);

    world.at_stake = true;
    assert_eq!(world.looks(PHONE, Account::attach), id);
    let (repaired, lost) = world.is_consistent();
    let mut expected = vec![
        OutboxItem::DeviceList(Namespace::OMEMO_2),
        OutboxItem::Bundle(Namespace::OMEMO_2),
        OutboxItem::Bundle(Namespace::LEGACY),
    ];
    assert!(lost || repaired == expected, "{repaired:?}");
    world.flushes(PHONE);
    let after = [&new, &old].map(|place| world.server.bundles[place].clone());
    assert_eq!(after, before);
    assert!(world.server.lists[&list].devices.contains_key(&id));
    expected.clear();
    assert_eq!(world.is_consistent().0, expected);
}

impl<S: Storage> World<'_, S> {
    /// Looks until all could be looked at. Tells what was found then, and whether something may have been put right before.
    fn is_consistent(&mut self) -> (Vec<OutboxItem>, bool) {
        let mut lost = false;
        for _ in 0..ATTEMPTS {
            let answer = self.insists(PHONE, Account::ensure_consistency);
            lost |= answer.lost;
            let found = answer.output;
            assert!(
                found.repaired.is_empty() || answer.committed,
                "a repair was told of before its commit"
            );
            if found.unknown.is_empty() {
                return (found.repaired, lost);
            }
            lost = true;
        }
        panic!("what is published cannot be looked at");
    }
}
