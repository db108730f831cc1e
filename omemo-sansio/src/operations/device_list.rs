//! Taking in device lists.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use omemo_storage::{InvalidName, Key};

use super::{mark, own_account};
use crate::engine::{DownloadDeviceList, Env, Stop, View};
use crate::records::{AccountRecord, Contact, Day, MarkPlace, Relisted, place};
use crate::settings::Settings;
use crate::trust::TrustLevel;
use crate::{
    BareJid, DeviceEntry, DeviceId, DeviceList, Error, MAX_DEVICES, Namespace, NetworkError, Timestamp,
};

/// What taking in a device list has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceListChange {
    /// Devices that are on this protocol's list now and were not before.
    pub added: Vec<DeviceId>,
    /// Devices that were on the list before and are not now. They are kept, inactive.
    pub removed: Vec<DeviceId>,
    /// Devices that were forgotten with their sessions, since the account has had more than [`Limits::devices`](crate::Limits::devices).
    pub forgotten: Vec<DeviceId>,
    /// Whether the own list did not say of this device what it should: it waits in the outbox to be published again.
    pub republish: bool,
    /// Whether it should have been published again and was not, since that happened three times within ten minutes: another
    /// client of the account takes this device off the list again and again. It is tried again after an hour, by
    /// maintenance, or by [`ensure_consistency`](crate::Account::ensure_consistency).
    pub war: bool,
    /// How many devices of the list were left out, since it named more than [`Limits::devices`](crate::Limits::devices).
    pub left_out: usize,
}

/// How often this device puts itself back on a list within [`WAR_WITHIN`] before it lets go.
const WAR_ROUNDS: u8 = 3;

/// The time within which putting itself back counts, in seconds.
const WAR_WITHIN: u64 = 600;

/// How long a war that was broken off rests, in seconds.
pub(super) const WAR_REST: u64 = 3_600;

/// Where a device list comes from, and when.
pub(super) struct Source<'a> {
    namespace: &'a Namespace,
    now: Timestamp,
    /// Whether lists of the protocol carry labels. Where they do not, their silence says nothing.
    labels: bool,
    /// This device, on lists of the own account, once it has an id: what it is called is decided here.
    own: Option<DeviceId>,
    /// How many devices are kept.
    devices: usize,
    /// How many bytes a label may have.
    label: usize,
}

impl<'a> Source<'a> {
    pub(super) fn new(
        settings: &Settings,
        own: Option<DeviceId>,
        jid: &BareJid,
        namespace: &'a Namespace,
        now: Timestamp,
    ) -> Self {
        let is_own_list = *jid == settings.jid;
        Self {
            namespace,
            now,
            labels: settings.supports_labels(namespace),
            own: own.filter(|_| is_own_list),
            // What is cut of the own list would be missing when it is published again.
            devices: if is_own_list {
                MAX_DEVICES
            } else {
                settings.limits.devices
            },
            label: settings.limits.label,
        }
    }
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
    let source = Source::new(settings, Some(account.device), jid, namespace, env.now);
    let mut contact = view.take::<Contact>(&contact_key)?.unwrap_or_default();
    let Applied { mut change, met } = apply_list(&mut contact, &source, list);
    forget_records(view, settings, jid, &met)?;
    if *jid == settings.jid {
        change.removed.retain(|device| *device != account.device);
        if keep_listed(&mut contact, &account, &source, list) {
            change.republish = may_relist(&mut contact, namespace, env.now);
            change.war = !change.republish;
        }
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

/// Whether each protocol's list could be refreshed, and what has changed by it.
pub type Refreshed = BTreeMap<Namespace, Result<DeviceListChange, NetworkError>>;

/// Downloads the device lists of every protocol, at once, and takes them in.
pub(super) fn refresh_all(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    jid: &BareJid,
) -> Result<Refreshed, Stop> {
    view.want(place::account()?);
    view.want(place::contact(jid)?);
    for namespace in settings.namespaces() {
        view.want(MarkPlace::Devices(namespace).key()?);
    }
    view.settle()?;
    let mut answers = Vec::new();
    for namespace in settings.namespaces() {
        let request = DownloadDeviceList {
            namespace: namespace.clone(),
            jid: jid.clone(),
        };
        if let Some(answer) = view.device_list(request)? {
            answers.push((namespace, answer));
        }
    }
    view.settle()?;
    let mut refreshed = Refreshed::new();
    for (namespace, answer) in answers {
        let change = match answer {
            Ok(list) => Ok(update(
                view,
                env,
                settings,
                &namespace,
                jid,
                &list.unwrap_or_default(),
            )?),
            Err(error) => Err(error),
        };
        refreshed.insert(namespace, change);
    }
    Ok(refreshed)
}

/// What a device list has changed, and which of the devices that were forgotten had an identity key: no others can have
/// sessions.
pub(super) struct Applied {
    pub(super) change: DeviceListChange,
    pub(super) met: Vec<DeviceId>,
}

/// Takes over a device list that was just downloaded.
pub(super) fn apply_downloaded(contact: &mut Contact, source: &Source<'_>, list: &DeviceList) -> Applied {
    contact.refreshed.insert(source.namespace.clone(), source.now);
    apply_list(contact, source, list)
}

/// Takes a device list over: new devices are added, missing ones become inactive, those that are back active again.
pub(super) fn apply_list(contact: &mut Contact, source: &Source<'_>, list: &DeviceList) -> Applied {
    let Source {
        namespace,
        now,
        labels,
        own,
        devices,
        label,
    } = *source;
    let mut change = DeviceListChange {
        left_out: list.devices.len().saturating_sub(devices),
        ..DeviceListChange::default()
    };
    for (id, device) in &mut contact.devices {
        if let Some(active) = device.protocols.get_mut(namespace)
            && *active
            && !list.devices.contains_key(id)
        {
            *active = false;
            change.removed.push(*id);
        }
    }
    for (id, entry) in list.devices.iter().take(devices) {
        let device = contact.devices.entry(*id).or_default();
        device.listed.get_or_insert(Day::of(now));
        // What cannot carry a label does not take one back.
        if labels && own != Some(*id) {
            let claimed = entry.label.as_ref();
            device.claim_label(claimed.filter(|claimed| claimed.text.len() <= label).cloned());
        }
        if device.protocols.insert(namespace.clone(), true) != Some(true) {
            change.added.push(*id);
        }
    }
    let forgotten = forget_surplus(contact, devices, own);
    change.forgotten = forgotten.iter().map(|(id, _)| *id).collect();
    contact.refreshed.entry(namespace.clone()).or_insert(now);
    let met = forgotten.into_iter().filter(|(_, met)| *met);
    Applied {
        change,
        met: met.map(|(id, _)| id).collect(),
    }
}

/// An account that invents device ids for ever must not make its contact grow for ever: beyond the limit,
/// inactive devices go, those that never said anything first, and never this one. What a person has decided about their
/// keys stays. Tells of each whether it had an identity key.
fn forget_surplus(contact: &mut Contact, limit: usize, own: Option<DeviceId>) -> Vec<(DeviceId, bool)> {
    let mut surplus = contact.devices.len().saturating_sub(limit);
    let mut forgotten = Vec::new();
    for strangers_only in [true, false] {
        contact.devices.retain(|id, device| {
            let inactive = device.protocols.values().all(|active| !active);
            let stranger = device.identity.is_none() || !strangers_only;
            let goes = surplus > 0 && inactive && stranger && own != Some(*id);
            if goes {
                surplus -= 1;
                forgotten.push((*id, device.identity.is_some()));
            }
            !goes
        });
    }
    if !forgotten.is_empty() {
        forget_blind_trust(contact);
    }
    forgotten
}

/// Takes blind trust from keys that no device is known with any more. One stays where none would be left: that the contact
/// was met before must not be forgotten, or whoever comes next would be the first.
fn forget_blind_trust(contact: &mut Contact) {
    let known: BTreeSet<_> = contact
        .devices
        .values()
        .filter_map(|device| device.identity)
        .map(|key| key.curve25519())
        .collect();
    let one = contact.trust.iter().next();
    let one = one.map(|(key, level)| (*key, level.clone()));
    contact
        .trust
        .retain(|key, level| *level != TrustLevel::BLINDLY_TRUSTED || known.contains(key));
    if contact.trust.is_empty()
        && let Some((key, level)) = one
    {
        contact.trust.insert(key, level);
    }
}

/// Deletes the sessions of devices that were forgotten: should one come back, it must not find a session whose identity
/// key nobody remembers.
pub(super) fn forget_records(
    view: &mut View,
    settings: &Settings,
    jid: &BareJid,
    forgotten: &[DeviceId],
) -> Result<(), Stop> {
    let keys = records_of(settings, jid, forgotten)?;
    view.require(keys.iter().cloned())?;
    keys.iter().try_for_each(|key| view.delete(key))
}

/// Where what is stored of sessions with these devices lies.
pub(super) fn records_of(
    settings: &Settings,
    jid: &BareJid,
    devices: &[DeviceId],
) -> Result<Vec<Key>, InvalidName> {
    let mut keys = Vec::new();
    for namespace in settings.namespaces() {
        for device in devices {
            keys.push(place::session(jid, &namespace, *device)?);
            keys.push(place::skipped(jid, &namespace, *device)?);
            keys.push(place::archive(jid, &namespace, *device)?);
        }
    }
    Ok(keys)
}

/// Puts this device back on the own list, which says `list` now, if it is missing there or has another label (XEP-0384,
/// section 5.3.1). Tells whether the list has to be published again.
pub(super) fn keep_listed(
    contact: &mut Contact,
    account: &AccountRecord,
    source: &Source<'_>,
    list: &DeviceList,
) -> bool {
    let own = contact.devices.entry(account.device).or_default();
    own.identify(*account.identity.public());
    own.protocols.insert(source.namespace.clone(), true);
    match list.devices.get(&account.device) {
        None => true,
        Some(entry) => source.labels && entry.label != own.claimed_label,
    }
}

/// Whether a war over the list was broken off.
pub(super) fn is_broken_off(relisted: &Relisted) -> bool {
    relisted.times >= WAR_ROUNDS
}

/// Whether the own list may be published again; not if that was of no use lately.
pub(super) fn may_relist(contact: &mut Contact, namespace: &Namespace, now: Timestamp) -> bool {
    let first = Relisted { times: 0, since: now };
    let relisted = contact.relisted.entry(namespace.clone()).or_insert(first);
    let rest = if relisted.times < WAR_ROUNDS {
        WAR_WITHIN
    } else {
        WAR_REST
    };
    if Timestamp::is_due(relisted.since, now, rest) {
        *relisted = first;
    }
    if relisted.times >= WAR_ROUNDS {
        return false;
    }
    relisted.times += 1;
    if relisted.times == WAR_ROUNDS {
        // The rest is counted from the last round.
        relisted.since = now;
    }
    true
}

/// The device list as it is to be published now; with the labels, if the protocol has any.
pub(super) fn current_list(settings: &Settings, contact: &Contact, namespace: &Namespace) -> DeviceList {
    let labels = settings.supports_labels(namespace);
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
                        label: device.claimed_label.clone().filter(|_| labels),
                    },
                )
            })
            .collect(),
    }
}
