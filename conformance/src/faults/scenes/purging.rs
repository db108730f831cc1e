//! A contact is forgotten.

use std::sync::Arc;

use omemo_sansio::trust::{AutomaticTrustManagement, TrustLevel};
use omemo_sansio::{Account, Error, OutboxItem};
use omemo_storage::Storage;

use crate::faults::prepared::{JULIET, JULIET_JID, LAPTOP, PHONE, ROMEO_JID};
use crate::faults::world::World;

/// Nothing names it any more, in no record; nothing that was owed to it is sent; and should it write, it is a stranger.
pub(super) fn tell<S: Storage>(world: &mut World<'_, S>) {
    world.sets(PHONE, |settings| {
        settings.trust = Arc::new(AutomaticTrustManagement)
    });
    let (romeo, juliet) = (world.jid(PHONE), world.jid(JULIET));
    let key = world.key(JULIET);
    world.asks(PHONE, |account| {
        account.set_trust(juliet.clone(), key, TrustLevel::TRUSTED)
    });
    // A new session, whose first message does not arrive, and an answer that is owed.
    world.asks(JULIET, |account| {
        account.forget_sessions(vec![romeo.clone()], None)
    });
    world.says(JULIET, ROMEO_JID, "never read");
    world.says(JULIET, ROMEO_JID, "read");
    world.devices[PHONE].mail.pop_front();
    world.ledger.excuse("never read", world.id(PHONE));
    world.reads_all(PHONE);
    world.reads_all(LAPTOP);
    assert!(world.items_of(PHONE, JULIET_JID).len() > 4);

    world.at_stake = true;
    world.changes(PHONE, |account| account.purge_contact(juliet.clone()));
    world.knows_nothing_of(PHONE, JULIET_JID);
    let owed = world.looks(PHONE, Account::owed_trust_messages);
    assert_eq!(
        owed.messages,
        [],
        "others are told of a contact that was forgotten"
    );
    world.is_refused(
        PHONE,
        |account| account.purge_contact(romeo.clone()),
        |error| matches!(error, Error::OwnAccount),
    );
    let flushed = world.asks(PHONE, Account::flush);
    let is_reply = |item: &OutboxItem| matches!(item, OutboxItem::Reply { jid, .. } if *jid == juliet);
    assert!(!flushed.sent.iter().any(is_reply));
    assert!(world.devices[JULIET].mail.is_empty(), "a stranger was answered");
    world.flushes(PHONE);
    world.says(PHONE, JULIET_JID, "to a stranger");
    world.reads_all(JULIET);
    assert_eq!(
        world.knows(PHONE, JULIET)[0].level,
        Some(TrustLevel::BLINDLY_TRUSTED)
    );
}

impl<S: Storage> World<'_, S> {
    /// No record of a device names the account.
    fn knows_nothing_of(&self, device: usize, jid: &str) {
        for (key, value) in self.copy(device).records() {
            let names = [key.partition.as_str(), key.item.as_str()];
            let in_value = value
                .as_bytes()
                .windows(jid.len())
                .any(|part| part == jid.as_bytes());
            assert!(
                !in_value && !names.iter().any(|name| name.contains(jid)),
                "{key:?} still names {jid}"
            );
        }
    }
}
