//! Whom a message goes to: the devices of each recipient, and why some are left out.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use omemo_storage::Key;

use super::encrypt::EncryptRequest;
use super::{distinct, key_exchange};
use crate::engine::{DownloadBundle, DownloadDeviceList, Env, Stop, View};
use crate::error::{EncryptFailure, SkipReason, SkippedDevice};
use crate::keys::IdentityKey;
use crate::ratchet::Session;
use crate::records::{AccountRecord, Contact, ContactDevice, place};
use crate::settings::Settings;
use crate::{BareJid, Bundle, DeviceAddress, Namespace};

/// A device that the message will be encrypted to.
pub(super) struct Target {
    pub(super) address: DeviceAddress,
    /// The protocol it is written to in.
    pub(super) namespace: Namespace,
    /// What a session has to be opened from, if there is none yet.
    pub(super) bundle: Option<Bundle>,
}

/// All that encrypting needs to know of the world, before any randomness is drawn.
pub(super) struct Recipients {
    pub(super) contacts: BTreeMap<BareJid, Contact>,
    pub(super) targets: Vec<Target>,
    pub(super) skipped: Vec<SkippedDevice>,
}

/// Finds out whom the message goes to. Stops for device lists, bundles and decisions that are lacking.
pub(super) fn find(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    account: &AccountRecord,
    request: &EncryptRequest,
) -> Result<Recipients, Stop> {
    let jids = distinct(request.recipients.iter().chain([&settings.jid]).cloned());
    let mut recipients = Recipients {
        contacts: BTreeMap::new(),
        targets: Vec::new(),
        skipped: Vec::new(),
    };
    for jid in &jids {
        let contact = view.take::<Contact>(&place::contact(jid)?)?.unwrap_or_default();
        recipients.contacts.insert(jid.clone(), contact);
    }
    let namespaces: Vec<_> = settings
        .namespaces()
        .filter(|namespace| request.plaintexts.contains_key(namespace))
        .collect();
    recipients.complete_lists(view, env, &namespaces)?;
    let own = DeviceAddress {
        jid: settings.jid.clone(),
        device: account.device,
    };
    recipients.choose_protocols(&namespaces, &own);
    recipients.identify(view, settings)?;
    recipients.ask_for_trust(view, settings, request)?;
    recipients.check_coverage(request)?;
    Ok(recipients)
}

/// The identity key of the other side of a session, if there is a session.
pub(super) fn peer_of_session(view: &mut View, key: &Key) -> Result<Option<IdentityKey>, Stop> {
    Ok(view.read::<Session>(key)?.map(|session| session.peer_identity()))
}

impl Recipients {
    /// Downloads the device lists that were never received.
    fn complete_lists(
        &mut self,
        view: &mut View,
        env: &Env<'_>,
        namespaces: &[Namespace],
    ) -> Result<(), Stop> {
        for (jid, contact) in &mut self.contacts {
            for namespace in namespaces
                .iter()
                .filter(|namespace| !contact.knows_list(namespace))
                .cloned()
                .collect::<Vec<_>>()
            {
                let request = DownloadDeviceList {
                    namespace: namespace.clone(),
                    jid: jid.clone(),
                };
                match view.device_list(request)? {
                    None => {}
                    Some(Ok(list)) => {
                        super::device_list::apply_list(
                            contact,
                            &namespace,
                            &list.unwrap_or_default(),
                            env.now,
                        );
                    }
                    Some(Err(error)) => self.skipped.push(SkippedDevice {
                        jid: jid.clone(),
                        device: None,
                        reason: SkipReason::DeviceList(namespace, error),
                    }),
                }
            }
        }
        view.settle()
    }

    /// Gives each active device the most preferred protocol that it and the request have.
    fn choose_protocols(&mut self, namespaces: &[Namespace], own: &DeviceAddress) {
        for (jid, contact) in &self.contacts {
            let is_listed = |device: &ContactDevice| device.protocols.values().any(|active| *active);
            let unknown = self.skipped.iter().any(|skipped| skipped.jid == *jid);
            if *jid != own.jid && !unknown && !contact.devices.values().any(is_listed) {
                let reason = SkipReason::NoDevices;
                self.skipped.push(SkippedDevice {
                    jid: jid.clone(),
                    device: None,
                    reason,
                });
            }
            for (id, device) in &contact.devices {
                let address = DeviceAddress {
                    jid: jid.clone(),
                    device: *id,
                };
                if address == *own || !is_listed(device) {
                    continue;
                }
                match namespaces.iter().find(|namespace| device.is_active(namespace)) {
                    Some(namespace) => {
                        self.targets.push(Target {
                            address,
                            namespace: namespace.clone(),
                            bundle: None,
                        });
                    }
                    None => self.skipped.push(SkippedDevice {
                        jid: address.jid,
                        device: Some(address.device),
                        reason: SkipReason::NoCommonProtocol,
                    }),
                }
            }
        }
    }

    /// Sees to it that each device has an identity key, and a session or a bundle to open one from.
    fn identify(&mut self, view: &mut View, settings: &Settings) -> Result<(), Stop> {
        let mut targets = Vec::new();
        for mut target in core::mem::take(&mut self.targets) {
            let DeviceAddress { jid, device } = &target.address;
            let session = place::session(jid, &target.namespace, *device)?;
            let Some(contact) = self.contacts.get_mut(jid) else {
                continue;
            };
            let Some(entry) = contact.devices.get_mut(device) else {
                continue;
            };
            if let Some(peer) = peer_of_session(view, &session)? {
                // A session with another key than the device is known by must not be written in.
                if *entry.identity.get_or_insert(peer) == peer {
                    entry.identify(peer);
                    targets.push(target);
                    continue;
                }
            }
            let request = DownloadBundle {
                namespace: target.namespace.clone(),
                jid: jid.clone(),
                device: *device,
            };
            let Some(answer) = view.bundle(request) else {
                continue;
            };
            match key_exchange::usable_bundle(settings, &target.namespace, answer, *device, entry.identity) {
                Ok(bundle) => {
                    if entry.identity.is_none() {
                        entry.identify(bundle.identity_key);
                    }
                    target.bundle = Some(bundle);
                    targets.push(target);
                }
                Err(failure) => self.skipped.push(SkippedDevice {
                    jid: jid.clone(),
                    device: Some(*device),
                    reason: SkipReason::Bundle(failure),
                }),
            }
        }
        view.settle()?;
        self.targets = targets;
        Ok(())
    }

    /// Each recipient needs at least one device; the own account need not have another.
    fn check_coverage(&mut self, request: &EncryptRequest) -> Result<(), Stop> {
        let covered: BTreeSet<&BareJid> = self.targets.iter().map(|target| &target.address.jid).collect();
        let uncovered: Vec<BareJid> = distinct(request.recipients.iter().cloned())
            .into_iter()
            .filter(|jid| !covered.contains(jid))
            .collect();
        if uncovered.is_empty() {
            return Ok(());
        }
        let skipped = core::mem::take(&mut self.skipped);
        Err(EncryptFailure::NoEligibleDevices {
            jids: uncovered,
            skipped,
        }
        .into())
    }

    /// Writes the contacts that have changed.
    pub(super) fn put_contacts(&mut self, view: &mut View) -> Result<(), Stop> {
        for (jid, contact) in core::mem::take(&mut self.contacts) {
            if contact != Contact::default() {
                view.put_changed(&place::contact(&jid)?, contact)?;
            }
        }
        Ok(())
    }
}
