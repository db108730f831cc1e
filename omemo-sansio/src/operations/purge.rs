//! Forgetting: a protocol, a contact, sessions.

use alloc::vec::Vec;

use omemo_storage::{Key, Name};

use super::{mark, own_account};
use crate::engine::{Stop, View};
use crate::records::{Contact, MarkPlace, OwedTrust, place};
use crate::settings::Settings;
use crate::{BareJid, Error, Namespace};

/// The most accounts whose sessions are forgotten at a time.
pub const MAX_FORGOTTEN: usize = 64;

/// Deletes the keys of a protocol, whether it is loaded or not. What is published of it is taken back by the outbox.
pub(super) fn protocol(view: &mut View, settings: &Settings, namespace: &Namespace) -> Result<(), Stop> {
    view.want_partition(&Name::new(place::OWN)?);
    let contact_key = place::contact(&settings.jid)?;
    view.require([contact_key.clone()])?;
    let account = own_account(view)?;
    for place in view.marks()? {
        if place.namespace() == namespace {
            view.delete(&place.key()?)?;
        }
    }
    view.delete(&place::protocol(namespace)?)?;
    view.delete(&place::pre_keys(namespace)?)?;
    if let Some(mut contact) = view.take::<Contact>(&contact_key)? {
        if let Some(own) = contact.devices.get_mut(&account.device) {
            own.protocols.remove(namespace);
        }
        view.put_changed(&contact_key, contact)?;
    }
    mark(view, &MarkPlace::Withdrawal(namespace.clone()))
}

/// Deletes all sessions with these accounts: of a protocol that is purged, which they are not known to speak any more
/// either; or of all protocols, since older ones were put back.
pub(super) fn sessions(view: &mut View, jids: &[BareJid], namespace: Option<&Namespace>) -> Result<(), Stop> {
    super::within("a number of accounts", jids.len(), MAX_FORGOTTEN)?;
    for jid in jids {
        view.want_partition(&place::contact_partition(jid)?);
        view.want_partition(&place::cold_partition(jid)?);
    }
    view.settle()?;
    for jid in jids {
        let contact = view.items(&place::contact_partition(jid)?)?;
        let cold = view.items(&place::cold_partition(jid)?)?;
        for key in contact.into_iter().chain(cold) {
            if is_of_session(&key, namespace) {
                view.delete(&key)?;
            }
        }
        // A damaged record stays as it is: one account must not keep the sessions with the others.
        let key = place::contact(jid)?;
        if let Some(mut contact) = unless_damaged(view.take::<Contact>(&key))? {
            match namespace {
                Some(namespace) => contact.forget_protocol(namespace),
                // New sessions are to be opened at once.
                None => {
                    for (_, device) in &mut contact.devices {
                        device.repaired = None;
                    }
                }
            }
            view.put_changed(&key, contact)?;
        }
    }
    Ok(())
}

/// What was read; nothing where the record is damaged.
fn unless_damaged<T>(read: Result<Option<T>, Stop>) -> Result<Option<T>, Stop> {
    match read {
        Err(Stop::Fail(Error::Corrupt { .. })) => Ok(None),
        read => read,
    }
}

/// Deletes what may stand of sessions with the devices of a contact, whether it was found or not: one that comes meanwhile
/// conflicts. (A device that comes meanwhile changes the contact.)
fn delete_sessions(
    view: &mut View,
    jid: &BareJid,
    contact: &Contact,
    namespaces: &[Namespace],
) -> Result<(), Stop> {
    for (device, _) in &contact.devices {
        for namespace in namespaces {
            view.delete(&place::session(jid, namespace, *device)?)?;
            view.delete(&place::skipped(jid, namespace, *device)?)?;
            view.delete(&place::archive(jid, namespace, *device)?)?;
            view.delete(&MarkPlace::Reply(namespace.clone(), jid.clone(), *device).key()?)?;
        }
    }
    Ok(())
}

fn is_of_session(key: &Key, namespace: Option<&Namespace>) -> bool {
    let rest = ["session/", "skipped/", "archive/"]
        .into_iter()
        .find_map(|kind| key.item.as_str().strip_prefix(kind));
    match (rest, namespace) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(rest), Some(namespace)) => rest
            .strip_prefix(namespace.as_str())
            .is_some_and(|rest| rest.starts_with('/')),
    }
}

/// Deletes all that is known of an account: its devices, whom of them is trusted, all sessions, and what is owed to it.
pub(super) fn contact(view: &mut View, settings: &Settings, jid: &BareJid) -> Result<(), Stop> {
    if *jid == settings.jid {
        return Err(Error::OwnAccount.into());
    }
    let partitions = [place::contact_partition(jid)?, place::cold_partition(jid)?];
    view.want_partition(&Name::new(place::OWN)?);
    for partition in &partitions {
        view.want_partition(partition);
    }
    view.settle()?;
    // Nothing else rids anyone of a damaged record.
    if let Some(contact) = unless_damaged(view.read::<Contact>(&place::contact(jid)?))? {
        let namespaces: Vec<_> = settings.namespaces().collect();
        delete_sessions(view, jid, &contact, &namespaces)?;
    }
    for partition in &partitions {
        for key in view.items(partition)? {
            view.delete(&key)?;
        }
    }
    for place in view.marks()? {
        if place.receiver().is_some_and(|receiver| receiver.jid == *jid) {
            view.delete(&place.key()?)?;
        }
    }
    forget_owed_trust(view, jid)
}

/// Nobody is told any more of what was decided about the keys of an account, nor is it told anything.
fn forget_owed_trust(view: &mut View, jid: &BareJid) -> Result<(), Stop> {
    let key = place::owed_trust()?;
    if let Some(mut owed) = view.take::<OwedTrust>(&key)? {
        owed.contacts.remove(jid);
        owed.decisions.retain(|(of, _), _| of != jid);
        view.put_changed(&key, owed)?;
    }
    Ok(())
}
