//! A person is asked whom to trust.

use std::sync::Arc;

use omemo_sansio::trust::{Manual, TrustLevel};
use omemo_storage::Storage;

use crate::faults::prepared::{JULIET, JULIET_JID, LAPTOP, PHONE};
use crate::faults::world::World;

/// What the person decides is there when the message has left: nobody has to be asked again.
pub(super) fn tell<S: Storage>(world: &mut World<'_, S>) {
    world.sets(PHONE, |settings| settings.trust = Arc::new(Manual));
    let (juliet, key) = (world.jid(JULIET), world.key(JULIET));
    world.asks(PHONE, |account| {
        account.set_trust(juliet.clone(), key, TrustLevel::UNDECIDED)
    });

    world.at_stake = true;
    world.person = Some(TrustLevel::TRUSTED);
    world.says(PHONE, JULIET_JID, "now that I know you");
    world.person = None;
    world.says(PHONE, JULIET_JID, "as I know you");
    for device in [JULIET, LAPTOP] {
        world.reads_all(device);
    }
    assert_eq!(world.knows(PHONE, JULIET)[0].level, Some(TrustLevel::TRUSTED));
}
