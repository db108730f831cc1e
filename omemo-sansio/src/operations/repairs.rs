//! New sessions for devices that write in ones not known here: to whom one is owed, how many, and for how long.
//!
//! Anyone can write such messages, and whose bundle fails cannot be sent anything. So they are few: of one account, and in
//! all, where whoever is owed most makes room for others.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use omemo_storage::Name;
use rand_core::Rng;

use super::key_exchange::Origin;
use super::mark;
use crate::engine::{Env, Stop, View};
use crate::records::{Contact, ContactDevice, MarkPlace, place};
use crate::{BareJid, Timestamp};

/// How long a device gets no further session that it did not ask for, and how long one is owed whose bundle cannot be
/// downloaded: a day, in seconds.
const INTERVAL: u64 = 86_400;

/// The most sessions that are owed so.
const MOST: usize = 256;

/// The most that are owed so to one account.
const MOST_OF_ONE: usize = 32;

/// Whether the device was owed a session within the last day.
pub(super) fn is_recent(repaired: Option<Timestamp>, now: Timestamp) -> bool {
    repaired.is_some_and(|repaired| !Timestamp::is_due(repaired, now, INTERVAL))
}

/// Owes a listed device a new session, at most once a day.
pub(super) fn owe(
    view: &mut View,
    env: &mut Env<'_>,
    origin: &Origin<'_>,
    contact: &mut Contact,
) -> Result<(), Stop> {
    let now = env.now;
    let is_due =
        |device: &&mut ContactDevice| device.is_active(&origin.namespace) && !is_recent(device.repaired, now);
    let Some(device) = contact.devices.get_mut(&origin.device).filter(is_due) else {
        return Ok(());
    };
    let place = MarkPlace::Repair(origin.namespace.clone(), origin.jid.clone(), origin.device);
    if make_room(view, env, origin.jid, &place)? {
        device.repaired = Some(now);
        mark(view, &place)?;
    }
    Ok(())
}

/// Makes room for a mark, if there is none. Not for more of one account than it may have: its next message will do. The marks
/// are counted without relying on each, so those who set some at once may set a few too many; the next one takes them away.
fn make_room(view: &mut View, env: &mut Env<'_>, jid: &BareJid, place: &MarkPlace) -> Result<bool, Stop> {
    view.want_partition(&Name::new(place::OWN)?);
    view.settle()?;
    let mut owed: Vec<(BareJid, MarkPlace)> = Vec::new();
    for mark in view.marks()? {
        if mark == *place {
            return Ok(true);
        }
        if let MarkPlace::Repair(_, jid, _) = &mark {
            owed.push((jid.clone(), mark));
        }
    }
    if owed.iter().filter(|(of, _)| of == jid).count() >= MOST_OF_ONE {
        return Ok(false);
    }
    while owed.len() >= MOST
        && let Some(gone) = one_of_the_most(env, &owed)
    {
        let (_, gone) = owed.swap_remove(gone);
        view.delete(&gone.key()?)?;
    }
    Ok(true)
}

/// One at random of the account that is owed most, on the server whose accounts are.
fn one_of_the_most(env: &mut Env<'_>, owed: &[(BareJid, MarkPlace)]) -> Option<usize> {
    let (mut of_servers, mut of_accounts) = (BTreeMap::new(), BTreeMap::new());
    for (jid, _) in owed {
        *of_servers.entry(server(jid)).or_insert(0_usize) += 1;
        *of_accounts.entry(jid).or_insert(0_usize) += 1;
    }
    let weight = |jid: &BareJid| (of_servers.get(server(jid)), of_accounts.get(jid));
    let most = owed.iter().map(|(jid, _)| weight(jid)).max();
    let of_most: Vec<usize> = (0_usize..)
        .zip(owed)
        .filter(|(_, (jid, _))| Some(weight(jid)) == most)
        .map(|(index, _)| index)
        .collect();
    let drawn = env.rng.next_u64().checked_rem(of_most.len() as u64)?;
    of_most.get(usize::try_from(drawn).ok()?).copied()
}

/// Where an account is.
fn server(jid: &BareJid) -> &str {
    let jid = jid.as_str();
    jid.rsplit_once('@').map_or(jid, |(_, server)| server)
}
