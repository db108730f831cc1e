//! Whom a message goes to: the devices of each recipient, and why some are left out.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use omemo_storage::Key;

use super::contacts::Contacts;
use super::encrypt::EncryptRequest;
use super::{distinct, key_exchange};
use crate::engine::{DownloadBundle, DownloadDeviceList, Env, Stop, View};
use crate::error::{EncryptFailure, SkipReason, SkippedDevice};
use crate::keys::IdentityKey;
use crate::ratchet::Session;
use crate::records::{AccountRecord, ContactDevice, place};
use crate::settings::Settings;
use crate::{BareJid, Bundle, DeviceAddress, Namespace};

/// A device that the message will be encrypted to.
pub(super) struct Target {
    pub(super) address: DeviceAddress,
    /// The protocol it is written to in.
    pub(super) namespace: Namespace,
    pub(super) means: Means,
}

/// A device that is listed, and the protocol it would be written to in.
struct Candidate {
    address: DeviceAddress,
    namespace: Namespace,
}

/// What a device is written to with.
pub(super) enum Means {
    /// The session there is.
    Session { at: Key, session: Box<Session> },
    /// A session has to be opened, and put in its place.
    Bundle { at: Key, bundle: Bundle },
}

/// All that encrypting needs to know of the world, before any randomness is drawn.
pub(super) struct Recipients {
    pub(super) contacts: Contacts,
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
    let jids = request.recipients.iter().chain([&settings.jid]);
    let mut recipients = Recipients {
        contacts: Contacts::read(view, jids)?,
        targets: Vec::new(),
        skipped: Vec::new(),
    };
    let namespaces: Vec<_> = settings
        .namespaces()
        .filter(|namespace| request.plaintexts.contains_key(namespace))
        .collect();
    recipients.complete_lists(view, env, &namespaces)?;
    let own = DeviceAddress {
        jid: settings.jid.clone(),
        device: account.device,
    };
    let candidates = recipients.choose_protocols(&namespaces, &own);
    recipients.identify(view, settings, candidates)?;
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
        let lacking: Vec<_> = self
            .contacts
            .iter()
            .flat_map(|(jid, contact)| namespaces.iter().map(move |namespace| (jid, contact, namespace)))
            .filter(|(_, contact, namespace)| !contact.knows_list(namespace))
            .map(|(jid, _, namespace)| DownloadDeviceList {
                namespace: namespace.clone(),
                jid: jid.clone(),
            })
            .collect();
        for request in lacking {
            let DownloadDeviceList { namespace, jid } = request.clone();
            match (view.device_list(request)?, self.contacts.edit(&jid)) {
                (Some(Ok(list)), Some(contact)) => {
                    let list = list.unwrap_or_default();
                    super::device_list::apply_list(contact, &namespace, &list, env.now);
                }
                (Some(Err(error)), _) => self.skipped.push(SkippedDevice {
                    jid,
                    device: None,
                    reason: SkipReason::DeviceList(namespace, error),
                }),
                (None, _) | (_, None) => {}
            }
        }
        view.settle()
    }

    /// Gives each active device the most preferred protocol that it and the request have.
    fn choose_protocols(&mut self, namespaces: &[Namespace], own: &DeviceAddress) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (jid, contact) in self.contacts.iter() {
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
                        candidates.push(Candidate {
                            address,
                            namespace: namespace.clone(),
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
        candidates
    }

    /// Sees to it that each device has an identity key, and a session or a bundle to open one from.
    fn identify(
        &mut self,
        view: &mut View,
        settings: &Settings,
        candidates: Vec<Candidate>,
    ) -> Result<(), Stop> {
        for Candidate { address, namespace } in candidates {
            let DeviceAddress { jid, device } = &address;
            let Some(partition) = self.contacts.partition(jid) else {
                continue;
            };
            let at = place::session_in(partition, &namespace, *device)?;
            let known = self.identity(&address);
            if let Some(session) = view.take::<Session>(&at)? {
                let peer = session.peer_identity();
                // A session with another key than the device is known by must not be written in.
                if known.is_none_or(|known| known == peer) {
                    self.learn(&address, known, peer);
                    self.targets.push(Target {
                        address,
                        namespace,
                        means: Means::Session {
                            at,
                            session: Box::new(session),
                        },
                    });
                    continue;
                }
            }
            let request = DownloadBundle {
                namespace: namespace.clone(),
                jid: jid.clone(),
                device: *device,
            };
            let Some(answer) = view.bundle(request) else {
                continue;
            };
            match key_exchange::usable_bundle(settings, &namespace, answer, *device, known) {
                Ok(bundle) => {
                    self.learn(&address, known, bundle.identity_key);
                    self.targets.push(Target {
                        address,
                        namespace,
                        means: Means::Bundle { at, bundle },
                    });
                }
                Err(failure) => self.skipped.push(SkippedDevice {
                    jid: jid.clone(),
                    device: Some(*device),
                    reason: SkipReason::Bundle(failure),
                }),
            }
        }
        view.settle()
    }

    /// The identity key a device is known by.
    pub(super) fn identity(&self, address: &DeviceAddress) -> Option<IdentityKey> {
        self.contacts.get(&address.jid)?.device(address.device)?.identity
    }

    /// Records the identity key of a device that had none.
    fn learn(&mut self, address: &DeviceAddress, known: Option<IdentityKey>, identity: IdentityKey) {
        if known.is_none()
            && let Some(contact) = self.contacts.edit(&address.jid)
            && let Some(device) = contact.devices.get_mut(&address.device)
        {
            device.identify(identity);
        }
    }

    /// Each recipient needs at least one device; the own account need not have another.
    fn check_coverage(&mut self, request: &EncryptRequest) -> Result<(), Stop> {
        let covered: BTreeSet<&BareJid> = self.targets.iter().map(|target| &target.address.jid).collect();
        let uncovered: Vec<_> = request
            .recipients
            .iter()
            .filter(|jid| !covered.contains(jid))
            .cloned()
            .collect();
        if uncovered.is_empty() {
            return Ok(());
        }
        let skipped = core::mem::take(&mut self.skipped);
        Err(EncryptFailure::NoEligibleDevices {
            jids: distinct(uncovered),
            skipped,
        }
        .into())
    }
}
