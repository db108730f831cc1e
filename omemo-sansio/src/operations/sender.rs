//! Who sent a message: what is known of the device, what it claims, and what is recorded once that is authentic.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::decrypted::Sender;
use super::device_list::{Source, apply_downloaded, forget_records, keep_listed, may_relist, records_of};
use super::key_exchange::Origin;
use super::set_trust::{judge, meaning};
use super::{mark, own_account};
use crate::engine::{DownloadDeviceList, Env, Stop, View};
use crate::error::{DecryptFailure, Inconsistency};
use crate::keys::IdentityKey;
use crate::protocol::Incoming;
use crate::ratchet::Session;
use crate::records::{AccountRecord, Contact, Day, MarkPlace, place};
use crate::settings::Settings;
use crate::trust::Trust;
use crate::{DeviceId, Error, Timestamp};

/// How long a device that is not listed causes no further refresh of the contact's device list: a minute.
const REFRESH_INTERVAL: u64 = 60;

/// What is known of the sender.
pub(super) struct KnownSender {
    pub(super) contact: Contact,
    /// The list that was taken in to find the device.
    list: Option<TakenIn>,
}

/// What a device list has changed besides the contact.
struct TakenIn {
    forgotten: Vec<DeviceId>,
    republish: bool,
}

impl KnownSender {
    /// Writes what the list has changed, which is kept however the message ends; again after an attempt was rolled back.
    pub(super) fn put(&self, view: &mut View, settings: &Settings, origin: &Origin<'_>) -> Result<(), Stop> {
        let Some(TakenIn { forgotten, republish }) = &self.list else {
            return Ok(());
        };
        forget_records(view, settings, origin.jid, forgotten)?;
        if *republish {
            mark(view, &MarkPlace::Devices(origin.namespace.clone()))?;
        }
        view.put_changed(&place::contact(origin.jid)?, self.contact.clone())
    }
}

/// What is known of the sender. A device that is not listed causes one refresh of the list, at most once a minute.
pub(super) fn known_sender(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    account: &AccountRecord,
    origin: &Origin<'_>,
) -> Result<KnownSender, Stop> {
    let Origin {
        jid,
        device,
        namespace,
    } = origin;
    let mut contact = view.take::<Contact>(&place::contact(jid)?)?.unwrap_or_default();
    if contact.devices.contains_key(device) {
        return Ok(KnownSender { contact, list: None });
    }
    let not_found = || DecryptFailure::SenderNotFound(*device);
    let Some(request) = lacking_list(&contact, env, origin) else {
        return Err(not_found().into());
    };
    let Some(answer) = view.device_list(request)? else {
        return Err(Stop::Need);
    };
    let list = answer.map_err(|source| Error::Network {
        what: "the download of the sender's device list",
        source,
    })?;
    let list = list.unwrap_or_default();
    let source = Source::new(settings, Some(account.device), jid, namespace, env.now);
    let forgotten = apply_downloaded(&mut contact, &source, &list).met;
    let republish = *jid == &settings.jid
        && keep_listed(&mut contact, account, &source, &list)
        && may_relist(&mut contact, namespace, env.now);
    let known = KnownSender {
        contact,
        list: Some(TakenIn { forgotten, republish }),
    };
    known.put(view, settings, origin)?;
    if known.contact.devices.contains_key(device) {
        Ok(known)
    } else {
        Err(Stop::FailKeeping(not_found().into()))
    }
}

/// The device list that has to be looked at to find the sender.
fn lacking_list(contact: &Contact, env: &Env<'_>, origin: &Origin<'_>) -> Option<DownloadDeviceList> {
    let refreshed = contact.refreshed.get(&origin.namespace);
    let due = refreshed.is_none_or(|at| Timestamp::is_due(*at, env.now, REFRESH_INTERVAL));
    let lacking = due && !contact.devices.contains_key(&origin.device);
    lacking.then(|| DownloadDeviceList {
        namespace: origin.namespace.clone(),
        jid: origin.jid.clone(),
    })
}

/// Notes down that the sender's device list will be needed, if it will, without stopping yet.
pub(super) fn want_device_list(view: &mut View, env: &Env<'_>, origin: &Origin<'_>) -> Result<(), Stop> {
    let Some(contact) = undamaged(view, origin)? else {
        return Ok(());
    };
    if let Some(request) = lacking_list(&contact, env, origin) {
        view.device_list(request)?;
    }
    Ok(())
}

/// Notes down the records of the devices that are forgotten once the downloaded list of the sender is taken in, without
/// stopping yet. Tells whether there is such a list.
pub(super) fn want_forgotten_by(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    origin: &Origin<'_>,
) -> Result<bool, Stop> {
    let Origin { jid, namespace, .. } = origin;
    let Some(contact) = undamaged(view, origin)? else {
        return Ok(false);
    };
    let Some(request) = lacking_list(&contact, env, origin) else {
        return Ok(false);
    };
    let Some(Ok(list)) = view.device_list(request)? else {
        return Ok(false);
    };
    // What is wrong with the account is told of each message.
    let own = own_account(view).ok().map(|account| account.device);
    let source = Source::new(settings, own, jid, namespace, env.now);
    let mut contact = Contact::clone(&contact);
    let met = apply_downloaded(&mut contact, &source, &list.unwrap_or_default()).met;
    for key in records_of(settings, jid, &met)? {
        view.want(key);
    }
    Ok(true)
}

/// What is known of the sender; nothing if it is damaged, of which each of its messages is told: those of others in a page are
/// no worse for it.
fn undamaged(view: &mut View, origin: &Origin<'_>) -> Result<Option<Arc<Contact>>, Stop> {
    match view.read::<Contact>(&place::contact(origin.jid)?) {
        Err(Stop::Fail(Error::Corrupt { .. })) => Ok(None),
        contact => Ok(Some(contact?.unwrap_or_default())),
    }
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

/// Records what the message has proved: the identity key of the device, the level the key gets at first use, and that the
/// device said something today.
pub(super) fn record(
    env: &Env<'_>,
    settings: &Settings,
    origin: &Origin<'_>,
    contact: &mut Contact,
    identity_key: IdentityKey,
) -> Result<Sender, Stop> {
    let device = contact.devices.entry(origin.device).or_default();
    if device.identity.is_none() {
        device.identify(identity_key);
    }
    // A clock that was ahead may have written a day to come.
    let heard = device
        .heard
        .filter(|day| !day.begin().is_ahead(env.now, Day::SECONDS));
    device.heard = heard.max(Some(Day::of(env.now)));
    let (trust, first_level) = judge(settings, origin.jid, &identity_key, &contact.trust)?;
    if let Some(level) = first_level {
        contact.trust.insert(identity_key.curve25519(), level);
    }
    let level = contact.trust.get(&identity_key.curve25519()).cloned();
    // The same key, by the form that is known best: a legacy key exchange has no sign.
    let known = contact.device(origin.device).and_then(|device| device.identity);
    Ok(Sender {
        jid: origin.jid.clone(),
        device: origin.device,
        identity_key: known.unwrap_or(identity_key),
        trust,
        level,
    })
}
