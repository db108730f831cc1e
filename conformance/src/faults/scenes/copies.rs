//! An older copy was put back, and is accepted.

use std::collections::BTreeSet;

use omemo_sansio::{Account, BareJid, EncryptRequest, Error, Namespace};
use omemo_storage::{CommitId, Storage};

use crate::faults::prepared::{BOTH, JULIET, JULIET_JID, PHONE, ROMEO_JID};
use crate::faults::world::World;

/// What must not be met again: by protocol, the ids and the public keys of pre keys and signed pre keys.
type Met = BTreeSet<(Namespace, String, Vec<u8>)>;

/// From the first step to the last the account does nothing else. None of its keys is used again, which the ledger of message
/// keys would tell, nor a pre key published again.
pub(super) fn tell<S: Storage>(world: &mut World<'_, S>) {
    let copy = world.copy(PHONE);
    let mut met = world.published();
    for (number, namespace) in BOTH.iter().enumerate() {
        world.says_in(namespace, PHONE, JULIET_JID, &format!("after the copy, {number}"));
        world.settles();
        world.says_in(namespace, JULIET, ROMEO_JID, &format!("answered, {number}"));
        world.settles();
    }
    // Pre keys are used up and made after the copy.
    let romeo = world.jid(PHONE);
    world.asks(JULIET, |account| {
        account.forget_sessions(vec![romeo.clone()], None)
    });
    world.says(JULIET, ROMEO_JID, "by a new key exchange");
    world.settles();
    met.extend(world.published());
    let account = world.devices[PHONE].account.id().clone();
    copy.put_back(
        &world.devices[PHONE].storage,
        &account,
        CommitId::from_bytes([7; 16]),
    );

    world.at_stake = true;
    world.changes(PHONE, Account::begin_accepting_copy);
    world.does_nothing_else(PHONE);
    for jid in copy.contacts() {
        world.changes(PHONE, |account| account.forget_sessions(vec![jid.clone()], None));
    }
    world.changes(PHONE, Account::end_accepting_copy);
    world.asks(PHONE, |account| account.open(None));
    world.flushes(PHONE);
    let again: Vec<_> = world.published().intersection(&met).cloned().collect();
    assert!(again.is_empty(), "published again: {again:?}");
}

impl<S: Storage> World<'_, S> {
    fn published(&self) -> Met {
        let mut met = Met::new();
        for ((namespace, jid, device), bundle) in &self.server.bundles {
            if *jid != self.jid(PHONE) || *device != self.id(PHONE) {
                continue;
            }
            let signed = &bundle.signed_pre_key;
            let keys = bundle.pre_keys.iter();
            let mut see = |id: String, key: &[u8]| {
                met.insert((namespace.clone(), id, Vec::new()));
                met.insert((namespace.clone(), String::new(), key.to_vec()));
            };
            keys.for_each(|(id, key)| see(format!("pre key {id:?}"), key.as_bytes()));
            see(format!("signed pre key {:?}", signed.id), signed.key.as_bytes());
        }
        met
    }

    /// Everything else is refused.
    fn does_nothing_else(&mut self, device: usize) {
        let is_accepting = |error: &Error| matches!(error, Error::AcceptingCopy);
        let to = BareJid::new(JULIET_JID).unwrap();
        let request = || EncryptRequest::new(vec![to.clone()], Namespace::OMEMO_2, b"too early".to_vec());
        self.is_refused(device, |account| account.encrypt(request()), is_accepting);
        self.is_refused(device, |account| account.open(None), is_accepting);
        self.is_refused(device, Account::attach, is_accepting);
        self.is_refused(device, Account::flush, is_accepting);
        self.is_refused(device, Account::maintain, is_accepting);
    }
}
