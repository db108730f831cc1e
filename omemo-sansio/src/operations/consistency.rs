//! Whether what is published is what it should be.

use alloc::vec::Vec;

use super::device_list::{Source, apply_downloaded, forget_records, keep_listed};
use super::{mark, own_account, pool};
use crate::engine::{DownloadBundle, DownloadDeviceList, Env, Stop, View};
use crate::records::{Contact, MarkPlace, PreKeys, ProtocolRecord, place};
use crate::settings::Settings;
use crate::{Namespace, NetworkError, OutboxItem};

/// What was found of the own bundles and device lists.
#[derive(Clone, Debug, Default)]
pub struct Consistency {
    /// What was missing or other than it should be. It waits in the outbox to be published again.
    pub repaired: Vec<OutboxItem>,
    /// What could not be looked at, and why.
    pub unknown: Vec<(OutboxItem, NetworkError)>,
}

/// Refreshes the own device lists, puts this device back on those it is missing from, and compares the published bundles
/// with the keys there are.
pub(super) fn ensure(view: &mut View, env: &mut Env<'_>, settings: &Settings) -> Result<Consistency, Stop> {
    view.want(place::account()?);
    view.want(place::contact(&settings.jid)?);
    for namespace in settings.namespaces() {
        view.want(place::protocol(&namespace)?);
        view.want(place::pre_keys(&namespace)?);
        view.want(MarkPlace::Bundle(namespace.clone()).key()?);
        view.want(MarkPlace::Devices(namespace).key()?);
    }
    view.settle()?;
    let account = own_account(view)?;
    for namespace in settings.namespaces() {
        view.device_list(own_list(settings, &namespace))?;
        view.bundle(DownloadBundle {
            namespace,
            jid: settings.jid.clone(),
            device: account.device,
        });
    }
    view.settle()?;
    let mut found = Consistency::default();
    for namespace in settings.namespaces() {
        check_list(view, env, settings, &namespace, &mut found)?;
        check_bundle(view, settings, &namespace, &mut found)?;
    }
    Ok(found)
}

fn own_list(settings: &Settings, namespace: &Namespace) -> DownloadDeviceList {
    DownloadDeviceList {
        namespace: namespace.clone(),
        jid: settings.jid.clone(),
    }
}

fn check_list(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    namespace: &Namespace,
    found: &mut Consistency,
) -> Result<(), Stop> {
    let item = OutboxItem::DeviceList(namespace.clone());
    let list = match view.device_list(own_list(settings, namespace))? {
        Some(Ok(list)) => list.unwrap_or_default(),
        Some(Err(error)) => {
            found.unknown.push((item, error));
            return Ok(());
        }
        None => return Err(Stop::Need),
    };
    let account = own_account(view)?;
    let key = place::contact(&settings.jid)?;
    let mut contact = view.take::<Contact>(&key)?.unwrap_or_default();
    let source = Source::new(settings, Some(account.device), &settings.jid, namespace, env.now);
    let met = apply_downloaded(&mut contact, &source, &list).met;
    forget_records(view, settings, &settings.jid, &met)?;
    if keep_listed(&mut contact, &account, &source, &list) {
        // Somebody asks for it: a publish war that was broken off may go on.
        contact.relisted.remove(namespace);
        mark(view, &MarkPlace::Devices(namespace.clone()))?;
        found.repaired.push(item);
    }
    view.put_changed(&key, contact)
}

fn check_bundle(
    view: &mut View,
    settings: &Settings,
    namespace: &Namespace,
    found: &mut Consistency,
) -> Result<(), Stop> {
    let account = own_account(view)?;
    let item = OutboxItem::Bundle(namespace.clone());
    let record = view.read::<ProtocolRecord>(&place::protocol(namespace)?)?;
    let pre_keys = view.read::<PreKeys>(&place::pre_keys(namespace)?)?;
    let (Some(record), Some(pre_keys)) = (record, pre_keys) else {
        return Ok(());
    };
    let request = DownloadBundle {
        namespace: namespace.clone(),
        jid: settings.jid.clone(),
        device: account.device,
    };
    match view.bundle(request) {
        Some(Ok(Some(published))) if *published == pool::bundle(&account.identity, &record, &pre_keys) => {}
        Some(Ok(_)) => {
            mark(view, &MarkPlace::Bundle(namespace.clone()))?;
            found.repaired.push(item);
        }
        Some(Err(error)) => found.unknown.push((item, error.clone())),
        None => return Err(Stop::Need),
    }
    Ok(())
}
