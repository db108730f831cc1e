//! Who sent a message: what is known of the device, what it claims, and what is recorded once that is authentic.

use alloc::boxed::Box;

use super::decrypted::Sender;
use super::device_list::{apply_downloaded, forget_records, keep_listed};
use super::key_exchange::Origin;
use super::mark;
use super::set_trust::{judge, meaning};
use crate::Error;
use crate::engine::{DownloadDeviceList, Env, Stop, View};
use crate::error::{DecryptFailure, Inconsistency};
use crate::keys::IdentityKey;
use crate::protocol::Incoming;
use crate::ratchet::Session;
use crate::records::{AccountRecord, Contact, MarkPlace, place};
use crate::settings::Settings;
use crate::trust::Trust;

/// How long a device that is not listed causes no further refresh of the contact's device list: a minute.
const REFRESH_INTERVAL: u64 = 60;

/// What is known of the sender. A device that is not listed causes one refresh of the list, at most once a minute.
pub(super) fn known_sender(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    account: &AccountRecord,
    origin: &Origin<'_>,
) -> Result<Contact, Stop> {
    let Origin {
        jid,
        device,
        namespace,
    } = origin;
    let key = place::contact(jid)?;
    let mut contact = view.take::<Contact>(&key)?.unwrap_or_default();
    if contact.devices.contains_key(device) {
        return Ok(contact);
    }
    let not_found = || DecryptFailure::SenderNotFound(*device);
    let refreshed = contact.refreshed.get(namespace);
    if refreshed.is_some_and(|at| env.now - *at < REFRESH_INTERVAL) {
        return Err(not_found().into());
    }
    let request = DownloadDeviceList {
        namespace: namespace.clone(),
        jid: (*jid).clone(),
    };
    let Some(answer) = view.device_list(request)? else {
        return Err(Stop::Need);
    };
    let list = answer.map_err(|source| Error::Network {
        what: "the download of the sender's device list",
        source,
    })?;
    let list = list.unwrap_or_default();
    let change = apply_downloaded(&mut contact, namespace, &list, env.now);
    forget_records(view, settings, jid, &change.forgotten)?;
    if *jid == &settings.jid && keep_listed(&mut contact, account, namespace) {
        mark(view, &MarkPlace::Devices(namespace.clone()))?;
    }
    if contact.devices.contains_key(device) {
        return Ok(contact);
    }
    view.put_changed(&key, contact)?;
    Err(Stop::FailKeeping(not_found().into()))
}

/// The identity key the message claims: that of its key exchange, or that of the session.
pub(super) fn presented_identity(
    view: &mut View,
    origin: &Origin<'_>,
    incoming: &Incoming,
) -> Result<IdentityKey, Stop> {
    if let Some(key_exchange) = &incoming.key_exchange {
        return Ok(key_exchange.identity_key);
    }
    let session = view.read::<Session>(&place::session(origin.jid, &origin.namespace, origin.device)?)?;
    match session {
        Some(session) => Ok(session.peer_identity()),
        None => Err(DecryptFailure::NoSession(origin.device).into()),
    }
}

/// Refuses keys that are distrusted, and keys other than the one the device is known by.
pub(super) fn check_identity(
    settings: &Settings,
    origin: &Origin<'_>,
    contact: &Contact,
    presented: IdentityKey,
) -> Result<(), Stop> {
    let device = origin.device;
    let known = contact.device(device).and_then(|device| device.identity);
    if let Some(known) = known.filter(|known| *known != presented) {
        return Err(DecryptFailure::from(Box::new(Inconsistency {
            device,
            known,
            presented,
        }))
        .into());
    }
    if let Some(level) = contact.trust.get(&presented.curve25519())
        && meaning(settings, level)? == Trust::Distrusted
    {
        return Err(DecryptFailure::SenderDistrusted(presented).into());
    }
    Ok(())
}

/// Records what the message has proved: the identity key of the device, and the level the key gets at first use.
pub(super) fn record(
    settings: &Settings,
    origin: &Origin<'_>,
    contact: &mut Contact,
    identity_key: IdentityKey,
) -> Result<Sender, Stop> {
    let device = contact.devices.entry(origin.device).or_default();
    if device.identity.is_none() {
        device.identify(identity_key);
    }
    let (trust, first_level) = judge(settings, origin.jid, &identity_key, &contact.trust)?;
    if let Some(level) = first_level {
        contact.trust.insert(identity_key.curve25519(), level);
    }
    let level = contact.trust.get(&identity_key.curve25519()).cloned();
    Ok(Sender {
        jid: origin.jid.clone(),
        device: origin.device,
        identity_key,
        trust,
        level,
    })
}
