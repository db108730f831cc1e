//! What is known of the devices of an account.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::device_list::Source;
use super::key_exchange::usable_bundle;
use super::recipients::peer_of_session;
use super::set_trust::meaning;
use super::{device_list, own_account};
use crate::engine::{DownloadBundle, DownloadDeviceList, Env, Stop, View};
use crate::error::BundleFailure;
use crate::keys::IdentityKey;
use crate::records::{Contact, ContactDevice, Day, place};
use crate::settings::Settings;
use crate::trust::{Trust, TrustLevel};
use crate::{BareJid, DeviceId, Namespace, NetworkError, Timestamp};

/// The devices of an account.
#[derive(Clone, Debug)]
pub struct Devices {
    /// Every device that was ever listed, by id; the own one too.
    pub devices: Vec<DeviceInformation>,
    /// Protocols whose device list was never received and could not be downloaded now.
    pub unlisted: Vec<(Namespace, NetworkError)>,
    /// Devices whose identity key could not be found out, and why.
    pub unidentified: Vec<(DeviceId, BundleFailure)>,
}

/// What is known of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInformation {
    /// Its id.
    pub device: DeviceId,
    /// The protocols it was ever listed for, and whether it still is.
    pub protocols: BTreeMap<Namespace, bool>,
    /// Its identity key; its fingerprint is what a person compares.
    pub identity_key: Option<IdentityKey>,
    /// What the trust policy makes of the key.
    pub trust: Trust,
    /// The level recorded for the key, if any.
    pub level: Option<TrustLevel>,
    /// The name its owner gave it, if its signature was found good.
    pub label: Option<String>,
    /// Whether it is this device.
    pub is_own: bool,
    /// The day it was first on a list, by its first moment; `None` if that is longer ago than this was remembered.
    pub listed: Option<Timestamp>,
    /// The day of the last message that it has authenticated, by its first moment; `None` if there was none.
    pub heard: Option<Timestamp>,
}

impl DeviceInformation {
    /// For how many seconds the device has said nothing, to the day: since its last message, or since it was first listed.
    /// `None` if neither is known. What to do about a device that is silent for long is for a person to decide; nothing
    /// is done here.
    pub fn silent_for(&self, now: Timestamp) -> Option<u64> {
        self.heard.or(self.listed).map(|since| now - since)
    }
}

/// Other devices of an account that are listed and have said nothing for so many seconds.
pub(super) fn silent_devices(contact: &Contact, own: DeviceId, now: Timestamp, after: u64) -> Vec<DeviceId> {
    let silent = |device: &ContactDevice| {
        let since = device.heard.or(device.listed);
        let listed = device.protocols.values().any(|active| *active);
        listed && since.is_some_and(|since| now - since.begin() >= after)
    };
    contact
        .devices
        .iter()
        .filter(|(id, device)| **id != own && silent(device))
        .map(|(id, _)| *id)
        .collect()
}

pub(super) fn devices(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    jid: &BareJid,
) -> Result<Devices, Stop> {
    let contact_key = place::contact(jid)?;
    view.require([place::account()?, contact_key.clone()])?;
    let own = own_account(view)?.device;
    let mut contact = view.take::<Contact>(&contact_key)?.unwrap_or_default();
    let mut unlisted = Vec::new();
    for namespace in settings.namespaces() {
        if contact.knows_list(&namespace) {
            continue;
        }
        let request = DownloadDeviceList {
            namespace: namespace.clone(),
            jid: jid.clone(),
        };
        match view.device_list(request)? {
            None => {}
            Some(Ok(list)) => {
                let list = list.unwrap_or_default();
                let source = Source::new(settings, Some(own), jid, &namespace, env.now);
                let met = device_list::apply_downloaded(&mut contact, &source, &list).met;
                device_list::forget_records(view, settings, jid, &met)?;
            }
            Some(Err(error)) => unlisted.push((namespace, error)),
        }
    }
    view.settle()?;
    let unidentified = identify(view, settings, jid, &mut contact)?;
    let devices = contact
        .devices
        .iter()
        .map(|(id, device)| {
            describe(
                settings,
                &contact,
                *id,
                device,
                *id == own && *jid == settings.jid,
            )
        })
        .collect::<Result<_, _>>()?;
    if contact != Contact::default() {
        view.put_changed(&contact_key, contact)?;
    }
    Ok(Devices {
        devices,
        unlisted,
        unidentified,
    })
}

/// Downloads the bundles of active devices whose identity key is not known, all at once.
fn identify(
    view: &mut View,
    settings: &Settings,
    jid: &BareJid,
    contact: &mut Contact,
) -> Result<Vec<(DeviceId, BundleFailure)>, Stop> {
    let mut unidentified = Vec::new();
    for namespace in settings.namespaces() {
        for (id, _) in contact
            .devices
            .iter()
            .filter(|(_, device)| device.identity.is_none())
        {
            view.want(place::session(jid, &namespace, *id)?);
        }
    }
    view.settle()?;
    for (id, device) in contact
        .devices
        .iter_mut()
        .filter(|(_, device)| device.identity.is_none())
    {
        let Some(namespace) = settings
            .namespaces()
            .find(|namespace| device.is_active(namespace))
        else {
            continue;
        };
        if let Some(peer) = peer_of_session(view, &place::session(jid, &namespace, *id)?)? {
            device.identify(peer);
            continue;
        }
        let request = DownloadBundle {
            namespace: namespace.clone(),
            jid: jid.clone(),
            device: *id,
        };
        let Some(answer) = view.bundle(request) else {
            continue;
        };
        match usable_bundle(settings, &namespace, answer, *id, None) {
            Ok(bundle) => device.identify(bundle.identity_key),
            Err(failure) => unidentified.push((*id, failure)),
        }
    }
    view.settle()?;
    Ok(unidentified)
}

fn describe(
    settings: &Settings,
    contact: &Contact,
    id: DeviceId,
    device: &ContactDevice,
    is_own: bool,
) -> Result<DeviceInformation, Stop> {
    let level = device
        .identity
        .and_then(|key| contact.trust.get(&key.curve25519()).cloned());
    let trust = match &level {
        _ if is_own => Trust::Trusted,
        Some(level) => meaning(settings, level)?,
        None => Trust::Undecided,
    };
    Ok(DeviceInformation {
        device: id,
        protocols: device.protocols.clone().into_iter().collect(),
        identity_key: device.identity,
        trust,
        level,
        label: device.label().map(String::from),
        is_own,
        listed: device.listed.map(Day::begin),
        heard: device.heard.map(Day::begin),
    })
}
