//! Taking in device lists.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{mark, own_account};
use crate::engine::{DownloadDeviceList, Env, Stop, View};
use crate::records::{AccountRecord, Contact, MarkPlace, place};
use crate::settings::Settings;
use crate::trust::TrustLevel;
use crate::{BareJid, DeviceEntry, DeviceId, DeviceList, Error, MAX_DEVICES, Namespace, Timestamp};

/// What taking in a device list has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceListChange {
    /// Devices that are on the list now and were not before.
    pub added: Vec<DeviceId>,
    /// Devices that were on the list before and are not now. They are kept, inactive.
    pub removed: Vec<DeviceId>,
    /// Devices that were forgotten with their sessions, since the account has had more than [`MAX_DEVICES`].
    pub forgotten: Vec<DeviceId>,
    /// Whether this device was missing from the own list: the list waits in the outbox to be published again.
    pub republish: bool,
}

pub(super) fn update(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    namespace: &Namespace,
    jid: &BareJid,
    list: &DeviceList,
) -> Result<DeviceListChange, Stop> {
    settings
        .protocol(namespace)
        .ok_or_else(|| Error::UnknownNamespace(namespace.clone()))?;
    let contact_key = place::contact(jid)?;
    view.require([
        place::account()?,
        contact_key.clone(),
        MarkPlace::Devices(namespace.clone()).key()?,
    ])?;
    let account = own_account(view)?;
    let mut contact = view.take::<Contact>(&contact_key)?.unwrap_or_default();
    let mut change = apply_list(&mut contact, namespace, list, env.now);
    forget_records(view, settings, jid, &change.forgotten)?;
    if *jid == settings.jid {
        change.republish = keep_listed(&mut contact, &account, namespace);
        change.removed.retain(|device| *device != account.device);
    }
    if change.republish {
        mark(view, &MarkPlace::Devices(namespace.clone()))?;
    }
    view.put_changed(&contact_key, contact)?;
    Ok(change)
}

pub(super) fn refresh(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    namespace: &Namespace,
    jid: &BareJid,
) -> Result<DeviceListChange, Stop> {
    settings
        .protocol(namespace)
        .ok_or_else(|| Error::UnknownNamespace(namespace.clone()))?;
    view.require([place::contact(jid)?])?;
    let request = DownloadDeviceList {
        namespace: namespace.clone(),
        jid: jid.clone(),
    };
    let Some(answer) = view.device_list(request)? else {
        return Err(Stop::Need);
    };
    let list = answer.map_err(|source| Error::Network {
        what: "the download of a device list",
        source,
    })?;
    update(view, env, settings, namespace, jid, &list.unwrap_or_default())
}

/// Takes over a device list that was just downloaded.
pub(super) fn apply_downloaded(
    contact: &mut Contact,
    namespace: &Namespace,
    list: &DeviceList,
    now: Timestamp,
) -> DeviceListChange {
    contact.refreshed.insert(namespace.clone(), now);
    apply_list(contact, namespace, list, now)
}

/// Takes a device list over: new devices are added, missing ones become inactive, those that are back active again.
pub(super) fn apply_list(
    contact: &mut Contact,
    namespace: &Namespace,
    list: &DeviceList,
    now: Timestamp,
) -> DeviceListChange {
    let mut change = DeviceListChange::default();
    for (id, device) in &mut contact.devices {
        if let Some(active) = device.protocols.get_mut(namespace)
            && *active
            && !list.devices.contains_key(id)
        {
            *active = false;
            change.removed.push(*id);
        }
    }
    for (id, entry) in list.devices.iter().take(MAX_DEVICES) {
        let device = contact.devices.entry(*id).or_default();
        device.claim_label(entry.label.clone());
        if device.protocols.insert(namespace.clone(), true) != Some(true) {
            change.added.push(*id);
        }
    }
    change.forgotten = forget_surplus(contact);
    contact.refreshed.entry(namespace.clone()).or_insert(now);
    change
}

/// An account that invents device ids for ever must not make its contact grow for ever: beyond [`MAX_DEVICES`],
/// inactive devices go, those that never said anything first. What a person has decided about their keys stays.
fn forget_surplus(contact: &mut Contact) -> Vec<DeviceId> {
    let mut surplus = contact.devices.len().saturating_sub(MAX_DEVICES);
    let mut forgotten = Vec::new();
    for strangers_only in [true, false] {
        contact.devices.retain(|id, device| {
            let inactive = device.protocols.values().all(|active| !active);
            let goes = surplus > 0 && inactive && (device.identity.is_none() || !strangers_only);
            if goes {
                surplus -= 1;
                forgotten.push(*id);
            }
            !goes
        });
    }
    if !forgotten.is_empty() {
        let known: BTreeSet<_> = contact
            .devices
            .values()
            .filter_map(|device| device.identity)
            .map(|key| key.curve25519())
            .collect();
        contact
            .trust
            .retain(|key, level| *level != TrustLevel::BLINDLY_TRUSTED || known.contains(key));
    }
    forgotten
}

/// Deletes the sessions of devices that were forgotten: should one come back, it must not find a session whose identity
/// key nobody remembers.
pub(super) fn forget_records(
    view: &mut View,
    settings: &Settings,
    jid: &BareJid,
    forgotten: &[DeviceId],
) -> Result<(), Stop> {
    let mut keys = Vec::new();
    for namespace in settings.namespaces() {
        for device in forgotten {
            keys.push(place::session(jid, &namespace, *device)?);
            keys.push(place::skipped(jid, &namespace, *device)?);
            keys.push(place::archive(jid, &namespace, *device)?);
        }
    }
    view.require(keys.iter().cloned())?;
    keys.iter().try_for_each(|key| view.delete(key))
}

/// Puts this device back on the own list if it is missing there (XEP-0384, section 5.3.1). Tells whether it was.
pub(super) fn keep_listed(contact: &mut Contact, account: &AccountRecord, namespace: &Namespace) -> bool {
    let own = contact.devices.entry(account.device).or_default();
    own.identify(*account.identity.public());
    own.protocols.insert(namespace.clone(), true) != Some(true)
}

/// The device list as it is to be published now.
pub(super) fn current_list(contact: &Contact, namespace: &Namespace) -> DeviceList {
    let active = contact
        .devices
        .iter()
        .filter(|(_, device)| device.is_active(namespace));
    DeviceList {
        devices: active
            .map(|(id, device)| {
                (
                    *id,
                    DeviceEntry {
                        label: device.claimed_label.clone(),
                    },
                )
            })
            .collect(),
    }
}
