//! Trust is managed automatically from now on, and was not before.

use std::sync::Arc;

use omemo_sansio::Account;
use omemo_sansio::trust::{AutomaticTrustManagement, TrustLevel};
use omemo_storage::Storage;

use crate::faults::prepared::{JULIET, LAPTOP, PHONE};
use crate::faults::world::World;

/// Whoever was verified before is told of own keys, once all accounts were looked over.
pub(super) fn tell<S: Storage>(world: &mut World<'_, S>) {
    let (romeo, juliet) = (world.jid(PHONE), world.jid(JULIET));
    let (laptop, key) = (world.key(LAPTOP), world.key(JULIET));
    world.asks(PHONE, |account| {
        account.set_trust(juliet.clone(), key, TrustLevel::TRUSTED)
    });
    world.sets(PHONE, |settings| {
        settings.trust = Arc::new(AutomaticTrustManagement)
    });

    world.at_stake = true;
    let opened = world.changes(PHONE, |account| account.open(None)).output;
    assert!(opened.look_over_trust);
    world.looks(PHONE, |account| {
        account.look_over_trust(vec![romeo.clone()], false)
    });
    let opened = world.looks(PHONE, |account| account.open(None));
    assert!(opened.look_over_trust, "a part was taken for the whole");
    world.changes(PHONE, |account| {
        account.look_over_trust(vec![juliet.clone()], true)
    });
    let opened = world.looks(PHONE, |account| account.open(None));
    assert!(!opened.look_over_trust);
    world.changes(PHONE, |account| {
        account.set_trust(romeo.clone(), laptop, TrustLevel::TRUSTED)
    });
    let owed = world.looks(PHONE, Account::owed_trust_messages);
    let told: Vec<_> = owed.messages.iter().map(|owed| owed.to.clone()).collect();
    assert_eq!(told, [juliet, romeo]);
    world.changes(PHONE, |account| account.trust_messages_sent(owed.clone()));
}
