//! A backup, and the new device that it becomes.

use std::sync::Arc;

use omemo_sansio::engine::Operation;
use omemo_sansio::keys::IdentityKeyPair;
use omemo_sansio::transfer::Backup;
use omemo_sansio::trust::{AutomaticTrustManagement, TrustLevel};
use omemo_sansio::{Account, Error};
use omemo_storage::Storage;

use crate::faults::asking::{ATTEMPTS, is_passing};
use crate::faults::prepared::{BOTH, JULIET, JULIET_JID, PHONE, ROMEO_JID};
use crate::faults::world::World;
use crate::scene::Interrupted;

/// The restored device has the identity and the decisions, another id, and no session; it takes the place of the former one.
pub(super) fn tell<S: Storage>(world: &mut World<'_, S>) {
    let juliet = world.jid(JULIET);
    let (key, own_key) = (world.key(JULIET), world.key(PHONE));
    world.asks(PHONE, |account| {
        account.set_trust(juliet.clone(), key, TrustLevel::TRUSTED)
    });

    world.at_stake = true;
    let backup = world.looks(PHONE, |account| account.back_up(vec![juliet.clone()]));
    let levels = &backup.trust()[&juliet];
    assert_eq!(levels[&key.curve25519()], TrustLevel::TRUSTED);
    assert_eq!(backup.device(), world.id(PHONE));
    let bytes = backup.encode();
    world.retires(PHONE);

    let heir = world.add("romeo's new phone", ROMEO_JID);
    world.sets(heir, |settings| {
        settings.trust = Arc::new(AutomaticTrustManagement)
    });
    let restore = |account: &Account| account.restore(Backup::decode(&bytes).unwrap());
    let restored = world.begins_anew(heir, restore);
    assert!(restored.is_none_or(|restored| restored.first_run && restored.added == BOTH));
    let device = world.looks(heir, Account::attach);
    assert_ne!(
        device,
        backup.device(),
        "the former id would be written to in sessions that are gone"
    );
    world.devices[heir].id = Some(device);
    world.is_refused(heir, restore, |error| matches!(error, Error::AlreadyThere));
    world.flushes(heir);
    for namespace in &BOTH {
        let listed = &world.server.lists[&(namespace.clone(), world.jid(heir))].devices;
        assert!(listed.contains_key(&device), "the new device is not listed");
        assert!(
            !listed.contains_key(&backup.device()),
            "the former device is still listed"
        );
    }
    assert_eq!(world.key(heir), own_key);
    assert_eq!(world.knows(heir, JULIET)[0].level, Some(TrustLevel::TRUSTED));
    assert_eq!(world.items_of(heir, juliet.as_str()), ["contact"]);
    world.tells_of_own_keys(heir, JULIET_JID);
}

impl<S: Storage> World<'_, S> {
    /// Whoever's key is authenticated is told of a decision about an own key, here one that is no device's any more.
    pub(in crate::faults) fn tells_of_own_keys(&mut self, device: usize, to: &str) {
        let (own, key) = (self.jid(device), *IdentityKeyPair::from_seed([90; 32]).public());
        self.changes(device, |account| {
            account.set_trust(own.clone(), key, TrustLevel::DISTRUSTED)
        });
        let owed = self.looks(device, Account::owed_trust_messages);
        let mut told = owed.messages.iter().map(|owed| owed.to.as_str());
        assert!(told.any(|told| told == to), "{to} is not told");
        self.changes(device, |account| account.trust_messages_sent(owed.clone()));
    }

    /// Begins an account by an operation that is refused where there is one: an application that has died with its answer
    /// finds it there. `None`: the answer was lost.
    pub(in crate::faults) fn begins_anew<T>(
        &mut self,
        device: usize,
        begin: impl Fn(&Account) -> Operation<T>,
    ) -> Option<T> {
        let mut lost = false;
        for _ in 0..ATTEMPTS {
            match self.drive(device, &begin) {
                Ok((output, committed)) => {
                    assert!(
                        committed && !lost,
                        "an account was begun without a commit, or twice"
                    );
                    return Some(output);
                }
                Err(Interrupted::Died { committed }) => lost |= committed,
                Err(Interrupted::Failed(Error::AlreadyThere)) if lost => return None,
                Err(Interrupted::Failed(error)) => {
                    assert!(is_passing(&error), "{error}");
                    assert!(self.copy(device).keys().next().is_none(), "a part was stored");
                }
            }
        }
        panic!("the account does not begin");
    }
}
