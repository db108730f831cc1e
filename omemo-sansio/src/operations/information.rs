//! What is known of the devices of an account.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::key_exchange::usable_bundle;
use super::recipients::peer_of_session;
use super::set_trust::meaning;
use super::{device_list, own_account};
use crate::engine::{DownloadBundle, DownloadDeviceList, Env, Stop, View};
use crate::error::BundleFailure;
use crate::keys::IdentityKey;
use crate::records::{Contact, ContactDevice, place};
use crate::settings::Settings;
use crate::trust::{Trust, TrustLevel};
use crate::{BareJid, DeviceId, Namespace, NetworkError};

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
                let change = device_list::apply_downloaded(&mut contact, &namespace, &list, env.now);
                device_list::forget_records(view, settings, jid, &change.forgotten)?;
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
        protocols: device.protocols.clone(),
        identity_key: device.identity,
        trust,
        level,
        label: device.label().map(String::from),
        is_own,
    })
}
