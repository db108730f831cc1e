//! After an older copy of the storage was put back: its sessions and pre keys must not be used again.
//!
//! The identity and all trust stay. As the sessions of all contacts do not fit into one commit, the account is marked
//! first, and refuses every other operation until the last of them is gone.

use omemo_storage::Name;

use super::{mark, pool};
use crate::Error;
use crate::engine::{Env, Stop, View};
use crate::records::{AccountRecord, MarkPlace, PreKeys, ProtocolRecord, place};
use crate::settings::Settings;

/// Marks the account, and replaces its pre keys and signed pre keys by new ones.
pub(super) fn begin(view: &mut View, env: &mut Env<'_>, settings: &Settings) -> Result<(), Stop> {
    let own = Name::new(place::OWN)?;
    view.want_partition(&own);
    view.settle()?;
    let key = place::account()?;
    let mut account = view.take::<AccountRecord>(&key)?.ok_or(Error::NotOpened)?;
    for item in view.items(&own)? {
        let Some(namespace) = place::protocol_of(&item) else {
            continue;
        };
        let Some(mut record) = view.take::<ProtocolRecord>(&item)? else {
            continue;
        };
        let mut pre_keys = PreKeys::default();
        // What was published after the copy was made must not be met again.
        pool::jump(&mut record.next_pre_key, &mut env.rng);
        pool::jump(&mut record.next_signed_pre_key, &mut env.rng);
        // The keys of a protocol that is not loaded are made when it is.
        if let Some(protocol) = settings.protocol(&namespace) {
            let identity = &account.identity;
            pool::rotate(
                protocol.as_ref(),
                identity,
                &mut record,
                settings,
                env.now,
                &mut env.rng,
            );
            pool::refill(&mut record, &mut pre_keys, &mut env.rng);
            mark(view, &MarkPlace::Bundle(namespace.clone()))?;
        }
        record.retired = None;
        view.put(&item, record)?;
        view.put(&place::pre_keys(&namespace)?, pre_keys)?;
    }
    view.delete(&place::catch_up()?)?;
    account.accepting_copy = true;
    view.put(&key, account)
}

/// All sessions are gone: the account may be used again.
pub(super) fn end(view: &mut View) -> Result<(), Stop> {
    let key = place::account()?;
    view.require([key.clone()])?;
    let mut account = view.take::<AccountRecord>(&key)?.ok_or(Error::NotOpened)?;
    account.accepting_copy = false;
    view.put_changed(&key, account)
}
