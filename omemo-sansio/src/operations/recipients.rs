//! Whom a message goes to: the devices of each recipient, and why some are left out.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use omemo_storage::Key;

use super::contacts::{Addressed, Contacts, Known};
use super::device_list::{Source, apply_list, forget_records};
use super::encrypt::{EncryptRequest, Fallback};
use super::key_exchange;
use crate::engine::{DownloadBundle, DownloadDeviceList, Env, Stop, View};
use crate::error::{BundleFailure, EncryptFailure, SkipReason, SkippedDevice};
use crate::keys::IdentityKey;
use crate::ratchet::{SendingSession, Session};
use crate::records::{AccountRecord, ContactDevice, place};
use crate::settings::Settings;
use crate::{Bundle, DeviceAddress, DeviceId, Error, Namespace};

/// A device that the message will be encrypted to.
pub(super) struct Target {
    pub(super) address: DeviceAddress,
    /// Where its contact is.
    pub(super) contact: usize,
    /// The protocol it is written to in.
    pub(super) namespace: Namespace,
    /// The key it is known by now.
    pub(super) identity: IdentityKey,
    pub(super) means: Means,
}

/// A device that is listed, and the protocol it would be written to in.
struct Candidate {
    address: DeviceAddress,
    contact: usize,
    namespace: Namespace,
}

/// What there is to write to a device with in one protocol.
enum Access {
    Ready(Target),
    /// Its bundle was asked for.
    Awaited,
    Failed(BundleFailure),
}

/// What a device is written to with.
pub(super) enum Means {
    /// The session there is.
    Session { at: Key, session: Arc<SendingSession> },
    /// A session has to be opened, and put in its place.
    Bundle { at: Key, bundle: Box<Bundle> },
}

/// All that encrypting needs to know of the world, before any randomness is drawn.
pub(super) struct Recipients {
    pub(super) contacts: Contacts,
    pub(super) targets: Vec<Target>,
    pub(super) skipped: Vec<SkippedDevice>,
    pub(super) fallbacks: Vec<Fallback>,
}

/// Finds out whom the message goes to. Stops for device lists, bundles and decisions that are lacking.
pub(super) fn find(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    account: &AccountRecord,
    request: &EncryptRequest,
    addressed: &[Addressed],
) -> Result<Recipients, Stop> {
    let mut recipients = Recipients {
        contacts: Contacts::read(view, addressed)?,
        targets: Vec::new(),
        skipped: Vec::new(),
        fallbacks: Vec::new(),
    };
    let namespaces = request.order(settings);
    recipients.complete_lists(view, env, settings, account, &namespaces)?;
    let own = DeviceAddress {
        jid: settings.jid.clone(),
        device: account.device,
    };
    let candidates = recipients.choose_protocols(&namespaces, &own);
    recipients.identify(view, settings, &namespaces, candidates)?;
    recipients.ask_for_trust(view, env, settings, request)?;
    recipients.check_coverage()?;
    Ok(recipients)
}

/// The identity key of the other side of a session, if there is a session.
pub(super) fn peer_of_session(view: &mut View, key: &Key) -> Result<Option<IdentityKey>, Stop> {
    Ok(view.read::<Session>(key)?.map(|session| session.peer_identity()))
}

/// Whether a bundle is of no use, and will not be in a moment: not whether it could not be asked for, and not whether it
/// contradicts what is known, which the person has to see.
fn is_unusable(failure: &BundleFailure) -> bool {
    match failure {
        BundleFailure::Missing
        | BundleFailure::NoPreKeys
        | BundleFailure::TooManyPreKeys { .. }
        | BundleFailure::Invalid(_) => true,
        BundleFailure::Network(_) | BundleFailure::Inconsistent(_) => false,
    }
}

impl Recipients {
    /// Downloads the device lists that were never received.
    fn complete_lists(
        &mut self,
        view: &mut View,
        env: &Env<'_>,
        settings: &Settings,
        account: &AccountRecord,
        namespaces: &[Namespace],
    ) -> Result<(), Stop> {
        let contacts = self.contacts.iter().enumerate();
        let lacking: Vec<_> = contacts
            .flat_map(|(place, known)| namespaces.iter().map(move |namespace| (place, known, namespace)))
            .filter(|(_, known, namespace)| !known.contact.knows_list(namespace))
            .map(|(place, known, namespace)| {
                let (namespace, jid) = (namespace.clone(), known.account.jid.clone());
                (place, DownloadDeviceList { namespace, jid })
            })
            .collect();
        let mut forgotten = Vec::new();
        for (place, request) in lacking {
            let DownloadDeviceList { namespace, jid } = request.clone();
            match (view.device_list(request)?, self.contacts.edit(place)) {
                (Some(Ok(list)), Some(contact)) => {
                    let list = list.unwrap_or_default();
                    let source = Source::new(settings, Some(account.device), &jid, &namespace, env.now);
                    forgotten.push((jid, apply_list(contact, &source, &list).met));
                }
                (Some(Err(error)), _) => self.skipped.push(SkippedDevice {
                    jid,
                    device: None,
                    reason: SkipReason::DeviceList(namespace, error),
                }),
                (None, _) | (_, None) => {}
            }
        }
        view.settle()?;
        for (jid, devices) in forgotten {
            forget_records(view, settings, &jid, &devices)?;
        }
        Ok(())
    }

    /// Gives each active device the most preferred protocol that it and the request have.
    fn choose_protocols(&mut self, namespaces: &[Namespace], own: &DeviceAddress) -> Vec<Candidate> {
        let mut candidates = Vec::with_capacity(self.contacts.iter().len());
        for (place, Known { account, contact, .. }) in self.contacts.iter().enumerate() {
            let jid = &account.jid;
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
                            contact: place,
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

    /// Sees to it that each device has an identity key, and a session or a bundle to open one from. Where there is no bundle
    /// that can be used, the next protocol that the device is listed for will do.
    fn identify(
        &mut self,
        view: &mut View,
        settings: &Settings,
        namespaces: &[Namespace],
        candidates: Vec<Candidate>,
    ) -> Result<(), Stop> {
        self.targets.reserve(candidates.len());
        for candidate in candidates {
            let failure = match self.access(view, settings, &candidate, &candidate.namespace)? {
                Access::Ready(target) => {
                    self.targets.push(target);
                    continue;
                }
                Access::Awaited => continue,
                Access::Failed(failure) => failure,
            };
            let goes_on = is_unusable(&failure);
            if goes_on && self.fall_back(view, settings, namespaces, &candidate, &failure)? {
                continue;
            }
            self.skipped.push(SkippedDevice {
                jid: candidate.address.jid,
                device: Some(candidate.address.device),
                reason: SkipReason::Bundle(failure),
            });
        }
        view.settle()
    }

    /// Tries the less preferred protocols that the device is listed for. Tells whether one will do, or may.
    fn fall_back(
        &mut self,
        view: &mut View,
        settings: &Settings,
        namespaces: &[Namespace],
        candidate: &Candidate,
        failure: &BundleFailure,
    ) -> Result<bool, Stop> {
        let is_listed = |this: &Self, namespace: &Namespace| {
            let known = this.contacts.get(candidate.contact);
            let device = known.and_then(|known| known.contact.device(candidate.address.device));
            device.is_some_and(|device| device.is_active(namespace))
        };
        let preferred = &candidate.namespace;
        let others = namespaces.iter().skip_while(|other| *other != preferred).skip(1);
        for namespace in others {
            if !is_listed(self, namespace) {
                continue;
            }
            match self.access(view, settings, candidate, namespace)? {
                Access::Ready(target) => {
                    self.fallbacks.push(Fallback {
                        device: target.address.clone(),
                        preferred: preferred.clone(),
                        used: namespace.clone(),
                        failure: failure.clone(),
                    });
                    self.targets.push(target);
                    return Ok(true);
                }
                Access::Awaited => return Ok(true),
                Access::Failed(_) => {}
            }
        }
        Ok(false)
    }

    /// Looks for a session with a device, or for a bundle to open one from.
    fn access(
        &mut self,
        view: &mut View,
        settings: &Settings,
        candidate: &Candidate,
        namespace: &Namespace,
    ) -> Result<Access, Stop> {
        let Candidate { address, contact, .. } = candidate;
        let (contact, DeviceAddress { jid, device }) = (*contact, address);
        let Some(Known {
            account,
            contact: its,
            ..
        }) = self.contacts.get(contact)
        else {
            return Err(Error::Internal("a device is of nobody").into());
        };
        let at = view.key(&account.partition, &place::session_item(namespace, *device))?;
        let known = its.device(*device).and_then(|device| device.identity);
        let target = |identity, means| {
            Access::Ready(Target {
                address: address.clone(),
                contact,
                namespace: namespace.clone(),
                identity,
                means,
            })
        };
        if let Some(session) = view.take_alone::<SendingSession>(&at)? {
            let peer = session.peer_identity();
            // A session with another key than the device is known by must not be written in.
            if known.is_none_or(|known| known == peer) {
                let identity = self.learn(contact, *device, known, peer, false);
                return Ok(target(identity, Means::Session { at, session }));
            }
        }
        let request = DownloadBundle {
            namespace: namespace.clone(),
            jid: jid.clone(),
            device: *device,
        };
        let Some(answer) = view.bundle(request) else {
            return Ok(Access::Awaited);
        };
        match key_exchange::usable_bundle(settings, namespace, answer, *device, known) {
            Ok(bundle) => {
                let identity = self.learn(contact, *device, known, bundle.identity_key, true);
                let bundle = Box::new(bundle);
                Ok(target(identity, Means::Bundle { at, bundle }))
            }
            Err(failure) => Ok(Access::Failed(failure)),
        }
    }

    /// Records the identity key of a device: that of a session if there was none, that of a bundle also in place of one
    /// whose Ed25519 form was a guess. Returns the key it is known by now.
    fn learn(
        &mut self,
        contact: usize,
        device: DeviceId,
        known: Option<IdentityKey>,
        identity: IdentityKey,
        from_bundle: bool,
    ) -> IdentityKey {
        let is_news = |known: &IdentityKey| from_bundle && known.ed25519() != identity.ed25519();
        if let Some(known) = known.filter(|known| !is_news(known)) {
            return known;
        }
        if let Some(contact) = self.contacts.edit(contact)
            && let Some(device) = contact.devices.get_mut(&device)
        {
            device.identify(identity);
        }
        identity
    }

    /// Each recipient needs at least one device; the own account need not have another.
    fn check_coverage(&mut self) -> Result<(), Stop> {
        // The targets are in the order of the contacts.
        let mut targets = self.targets.iter().map(|target| target.contact).peekable();
        let mut uncovered = Vec::new();
        for (place, Known { account, .. }) in self.contacts.iter().enumerate() {
            let mut is_covered = false;
            while targets.next_if_eq(&place).is_some() {
                is_covered = true;
            }
            if account.is_recipient && !is_covered {
                uncovered.push(account.jid.clone());
            }
        }
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
}
