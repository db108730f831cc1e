//! The sessions with a device: how stale they are, and replacing them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::key_exchange::{Origin, archive_live, initiate, put_skipped, usable_bundle};
use super::{mark, own_account};
use crate::engine::{DownloadBundle, Env, Stop, View};
use crate::error::BundleFailure;
use crate::ratchet::{Session, SkippedKeys};
use crate::records::{Contact, MarkPlace, place};
use crate::settings::Settings;
use crate::{Bundle, DeviceAddress, Namespace};

/// Whether the session with a device was replaced, for each protocol that there was one in.
pub type Replaced = BTreeMap<Namespace, Result<(), BundleFailure>>;

/// How many messages were sent in the session with a device since it last answered, for each protocol; `None` without a
/// session.
pub type SendingChains = BTreeMap<Namespace, Option<u32>>;

pub(super) fn sending_chains(
    view: &mut View,
    settings: &Settings,
    device: &DeviceAddress,
) -> Result<SendingChains, Stop> {
    for namespace in settings.namespaces() {
        view.want(place::session(&device.jid, &namespace, device.device)?);
    }
    view.settle()?;
    settings
        .namespaces()
        .map(|namespace| {
            let session = view.read::<Session>(&place::session(&device.jid, &namespace, device.device)?)?;
            Ok((namespace, session.map(|session| session.sending_chain_length())))
        })
        .collect()
}

/// Opens new sessions with a device in place of those there are, which are archived: what is on its way in them can still
/// be read. The device is told by an empty message in each, through the outbox.
pub(super) fn replace(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    address: &DeviceAddress,
) -> Result<Replaced, Stop> {
    let DeviceAddress { jid, device } = address;
    view.want(place::account()?);
    view.want(place::contact(jid)?);
    for namespace in settings.namespaces() {
        view.want(place::session(jid, &namespace, *device)?);
        view.want(place::skipped(jid, &namespace, *device)?);
        view.want(place::archive(jid, &namespace, *device)?);
        view.want(MarkPlace::Reply(namespace, jid.clone(), *device).key()?);
    }
    view.settle()?;
    let mut replaced = Replaced::new();
    let ready = gather(view, settings, address, &mut replaced)?;
    let account = own_account(view)?;
    for (namespace, bundle) in ready {
        let Some(protocol) = settings.protocol(&namespace) else {
            continue;
        };
        let origin = Origin {
            jid,
            device: *device,
            namespace: namespace.clone(),
        };
        archive_live(view, env, &origin)?;
        put_skipped(view, &origin, SkippedKeys::default())?;
        let session = initiate(env, protocol.as_ref(), &account, &bundle)?;
        view.put(&place::session(jid, &namespace, *device)?, session)?;
        let contact_key = place::contact(jid)?;
        let mut contact = view.take::<Contact>(&contact_key)?.unwrap_or_default();
        contact
            .devices
            .entry(*device)
            .or_default()
            .identify(bundle.identity_key);
        view.put_changed(&contact_key, contact)?;
        mark(view, &MarkPlace::Reply(namespace.clone(), jid.clone(), *device))?;
        replaced.insert(namespace, Ok(()));
    }
    Ok(replaced)
}

/// The bundles to open the new sessions from; what stands in the way of others is noted down.
fn gather(
    view: &mut View,
    settings: &Settings,
    address: &DeviceAddress,
    replaced: &mut Replaced,
) -> Result<Vec<(Namespace, Bundle)>, Stop> {
    let DeviceAddress { jid, device } = address;
    let contact = view.read::<Contact>(&place::contact(jid)?)?;
    let known = contact.and_then(|contact| contact.device(*device)?.identity);
    let mut ready = Vec::new();
    for namespace in settings.namespaces() {
        if view
            .read::<Session>(&place::session(jid, &namespace, *device)?)?
            .is_none()
        {
            continue;
        }
        let request = DownloadBundle {
            namespace: namespace.clone(),
            jid: jid.clone(),
            device: *device,
        };
        if let Some(answer) = view.bundle(request) {
            match usable_bundle(settings, &namespace, answer, *device, known) {
                Ok(bundle) => ready.push((namespace, bundle)),
                Err(failure) => drop(replaced.insert(namespace, Err(failure))),
            }
        }
    }
    view.settle()?;
    Ok(ready)
}
