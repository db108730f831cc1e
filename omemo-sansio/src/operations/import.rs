//! Taking over what another implementation has kept of an account: all of it in one commit, or nothing.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use omemo_storage::Key;

use super::{automatic_trust, mark, pool, within};
use crate::engine::{Env, Stop, View};
use crate::keys::IdentityKeyPair;
use crate::protocol::Protocol;
use crate::records::{
    AccountRecord, Contact, ContactDevice, MarkPlace, PreKeys, ProtocolRecord, RetiredSignedPreKey,
    SignedPreKey, place,
};
use crate::settings::Settings;
use crate::transfer::{ImportedAccount, ImportedContact, ImportedDevice, ImportedProtocol};
use crate::{BareJid, DeviceId, Error, Label, Namespace, PreKeyId, Timestamp};

/// The most records that are taken over: what one commit holds.
const MAX_RECORDS: usize = omemo_storage::MAX_RECORDS;

/// What was taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// How many accounts something is known of, the own one included.
    pub contacts: u64,
    /// How many devices they have.
    pub devices: u64,
    /// How many sessions, over all protocols.
    pub sessions: u64,
    /// How many skipped message keys. Beyond the limit of the settings, the oldest of a session are left behind.
    pub skipped_keys: u64,
    /// How many records were written.
    pub records: u64,
}

pub(super) fn import(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    imported: &ImportedAccount,
) -> Result<Imported, Stop> {
    check(settings, imported)?;
    let keys = places(settings, imported)?;
    within("a number of records", keys.len(), MAX_RECORDS)?;
    view.require(keys.iter().cloned())?;
    if view.read::<AccountRecord>(&place::account()?)?.is_some() {
        return Err(Error::AlreadyThere.into());
    }
    let mut report = Imported {
        records: keys.len() as u64,
        ..Imported::default()
    };
    put_account(view, env, settings, imported)?;
    for (namespace, protocol) in &imported.protocols {
        put_protocol(view, env, settings, &imported.identity, namespace, protocol)?;
    }
    for (jid, contact) in &imported.contacts {
        put_contact(view, env, settings, imported, jid, contact, &mut report)?;
    }
    put_owed(view, env, imported)?;
    automatic_trust::note(view, told(settings, imported))?;
    Ok(report)
}

fn check(settings: &Settings, imported: &ImportedAccount) -> Result<(), Stop> {
    within(
        "a label",
        imported.label.as_ref().map_or(0, |label| label.len()),
        settings.limits.label,
    )?;
    let of_protocols = imported.protocols.keys();
    let of_sessions = imported
        .contacts
        .values()
        .flat_map(|contact| contact.devices.values())
        .flat_map(|device| device.sessions.keys());
    for namespace in of_protocols.chain(of_sessions) {
        settings
            .protocol(namespace)
            .ok_or_else(|| Error::UnknownNamespace(namespace.clone()))?;
    }
    let levels = imported
        .contacts
        .values()
        .flat_map(|contact| contact.trust.values());
    for level in levels {
        super::set_trust::meaning(settings, level)?;
    }
    Ok(())
}

/// The contacts with keys that are authenticated.
fn told(settings: &Settings, imported: &ImportedAccount) -> BTreeSet<BareJid> {
    let contacts = imported.contacts.iter();
    let levels = contacts.map(|(jid, contact)| (jid, contact.trust.values()));
    automatic_trust::authenticated(settings, levels)
}

/// Every record that is written, so that all of them are expected to be as they are now.
fn places(settings: &Settings, imported: &ImportedAccount) -> Result<Vec<Key>, Stop> {
    let mut keys = Vec::from([place::account()?, place::contact(&settings.jid)?]);
    for namespace in imported.protocols.keys() {
        keys.push(place::protocol(namespace)?);
        keys.push(place::pre_keys(namespace)?);
        keys.push(MarkPlace::Bundle(namespace.clone()).key()?);
    }
    for place in owed(imported) {
        keys.push(place.key()?);
    }
    for (jid, contact) in &imported.contacts {
        if *jid != settings.jid {
            keys.push(place::contact(jid)?);
        }
        for (device, known) in &contact.devices {
            for (namespace, session) in &known.sessions {
                keys.push(place::session(jid, namespace, *device)?);
                if !session.skipped.is_empty() {
                    keys.push(place::skipped(jid, namespace, *device)?);
                }
            }
        }
    }
    if !told(settings, imported).is_empty() {
        keys.push(place::owed_trust()?);
    }
    Ok(keys)
}

fn put_account(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    imported: &ImportedAccount,
) -> Result<(), Stop> {
    let own = imported.contacts.get(&settings.jid);
    let mut contact = own.map_or_else(Contact::default, known_contact);
    let device = contact.devices.entry(imported.device).or_default();
    device.identify(*imported.identity.public());
    device.protocols.extend(
        imported
            .protocols
            .keys()
            .map(|namespace| (namespace.clone(), true)),
    );
    device.claim_label(imported.label.as_ref().map(|text| Label {
        text: text.clone(),
        signature: imported.identity.sign(text.as_bytes(), &mut env.rng),
    }));
    view.put(&place::contact(&settings.jid)?, contact)?;
    view.put(
        &place::account()?,
        AccountRecord {
            identity: imported.identity.copy(),
            device: imported.device,
            label: imported.label.clone(),
            accepting_copy: false,
        },
    )
}

fn put_protocol(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    identity: &IdentityKeyPair,
    namespace: &Namespace,
    imported: &ImportedProtocol,
) -> Result<(), Stop> {
    let protocol = settings
        .protocol(namespace)
        .ok_or_else(|| Error::UnknownNamespace(namespace.clone()))?;
    let mut record = protocol_record(env, settings, protocol.as_ref(), identity, imported);
    let mut pre_keys = PreKeys::default();
    let pairs = imported.pre_keys.iter().map(|(id, pair)| (*id, pair.copy()));
    pre_keys.visible.extend(pairs);
    pool::refill(&mut record, &mut pre_keys, &mut env.rng);
    view.put(&place::protocol(namespace)?, record)?;
    view.put(&place::pre_keys(namespace)?, pre_keys)?;
    // The published bundle may be behind.
    mark(view, &MarkPlace::Bundle(namespace.clone()))?;
    Ok(())
}

/// The marks for the empty messages that are owed: answers, and for listed devices without a session a new one.
fn owed(imported: &ImportedAccount) -> impl Iterator<Item = MarkPlace> {
    let of_protocols = imported.protocols.iter();
    let owed = of_protocols.flat_map(|(namespace, protocol)| {
        let replies = protocol.owed_replies.iter();
        replies.map(move |(jid, device)| (namespace, jid, *device))
    });
    owed.map(|(namespace, jid, device)| {
        let contact = imported.contacts.get(jid);
        let known = contact.and_then(|contact| contact.devices.get(&device));
        let lacks_session = known.is_some_and(|known| !known.sessions.contains_key(namespace));
        let of = if lacks_session {
            MarkPlace::Repair
        } else {
            MarkPlace::Reply
        };
        of(namespace.clone(), jid.clone(), device)
    })
}

/// Owes what was owed. The contacts are written by now.
fn put_owed(view: &mut View, env: &Env<'_>, imported: &ImportedAccount) -> Result<(), Stop> {
    for place in owed(imported) {
        if let MarkPlace::Repair(_, jid, device) = &place {
            let key = place::contact(jid)?;
            let mut contact = view.take::<Contact>(&key)?.unwrap_or_default();
            contact.devices.entry(*device).or_default().repaired = Some(env.now);
            view.put(&key, contact)?;
        }
        mark(view, &place)?;
    }
    Ok(())
}

fn protocol_record(
    env: &mut Env<'_>,
    settings: &Settings,
    protocol: &dyn Protocol,
    identity: &IdentityKeyPair,
    imported: &ImportedProtocol,
) -> ProtocolRecord {
    let highest = |ids: &mut dyn Iterator<Item = PreKeyId>| ids.map(PreKeyId::get).max().unwrap_or(0);
    let retired = imported.retired.as_ref().map(|retired| RetiredSignedPreKey {
        id: retired.id,
        pair: retired.pair.copy(),
        expires: env.now + settings.rotation_period,
    });
    let mut signed_ids = imported
        .signed_pre_key
        .iter()
        .map(|key| key.id)
        .chain(imported.retired.iter().map(|key| key.id));
    let mut next_signed_pre_key = highest(&mut signed_ids).saturating_add(1);
    let signed_pre_key = match &imported.signed_pre_key {
        Some(key) => SignedPreKey {
            id: key.id,
            pair: key.pair.copy(),
            signature: key.signature,
            created: key.created,
        },
        None => pool::signed_pre_key(
            protocol,
            identity,
            pool::next_id(&mut next_signed_pre_key),
            env.now,
            &mut env.rng,
        ),
    };
    let last_pre_key = highest(&mut imported.pre_keys.keys().copied()).max(imported.last_pre_key);
    ProtocolRecord {
        signed_pre_key,
        retired,
        next_signed_pre_key,
        next_pre_key: last_pre_key.saturating_add(1),
    }
}

fn put_contact(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    imported: &ImportedAccount,
    jid: &BareJid,
    contact: &ImportedContact,
    report: &mut Imported,
) -> Result<(), Stop> {
    report.contacts += 1;
    report.devices += contact.devices.len() as u64;
    for (device, known) in &contact.devices {
        put_sessions(view, env.now, settings, jid, *device, known, report)?;
    }
    if *jid == settings.jid {
        // Written with the account. Its list counts as never seen, so it is downloaded before it is published: the labels of
        // the other devices come with signatures, which are not taken over.
        return Ok(());
    }
    let mut known = known_contact(contact);
    let namespaces = imported.protocols.keys();
    known
        .refreshed
        .extend(namespaces.map(|namespace| (namespace.clone(), env.now)));
    view.put(&place::contact(jid)?, known)
}

fn put_sessions(
    view: &mut View,
    now: Timestamp,
    settings: &Settings,
    jid: &BareJid,
    device: DeviceId,
    known: &ImportedDevice,
    report: &mut Imported,
) -> Result<(), Stop> {
    for (namespace, parts) in &known.sessions {
        let (session, skipped) = parts.assemble(now, settings.limits.skipped_keys.per_session);
        report.sessions += 1;
        report.skipped_keys += skipped.len() as u64;
        view.put(&place::session(jid, namespace, device)?, session)?;
        if !parts.skipped.is_empty() {
            view.put(&place::skipped(jid, namespace, device)?, skipped)?;
        }
    }
    Ok(())
}

/// Devices and trust, as they are kept here. Labels are not taken over: they count only with their signatures, which come
/// with the next device list.
fn known_contact(imported: &ImportedContact) -> Contact {
    let mut contact = Contact {
        trust: imported.trust.clone().into_iter().collect(),
        ..Contact::default()
    };
    for (id, known) in &imported.devices {
        let mut device = ContactDevice {
            protocols: known.protocols.clone().into_iter().collect(),
            ..ContactDevice::default()
        };
        // No session without the identity key it is with.
        let peer = known.sessions.values().map(|session| session.peer).next();
        if let Some(identity) = known.identity.or(peer) {
            device.identify(identity);
        }
        contact.devices.insert(*id, device);
    }
    contact
}
