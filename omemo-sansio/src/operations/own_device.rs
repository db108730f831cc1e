//! What this device says of itself on the device lists: its label, and who else is there.

use alloc::string::String;
use alloc::vec::Vec;

use super::{mark, own_account, within};
use crate::engine::{Env, Stop, View};
use crate::records::{AccountRecord, Contact, MarkPlace, place};
use crate::settings::Settings;
use crate::{DeviceId, Error, Label};

/// Names the device, or takes its name away. It is published on the lists of the protocols that have labels.
pub(super) fn set_label(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    label: Option<&str>,
) -> Result<(), Stop> {
    within("a label", label.map_or(0, str::len), settings.limits.label)?;
    let (account_key, contact_key) = (place::account()?, place::contact(&settings.jid)?);
    view.want(account_key.clone());
    view.want(contact_key.clone());
    for namespace in settings.namespaces() {
        view.want(MarkPlace::Devices(namespace).key()?);
    }
    view.settle()?;
    if own_account(view)?.label.as_deref() == label {
        return Ok(());
    }
    let mut account = view
        .take::<AccountRecord>(&account_key)?
        .ok_or(Error::NotOpened)?;
    let mut contact = view.take::<Contact>(&contact_key)?.unwrap_or_default();
    account.label = label.map(String::from);
    let signed = label.map(|text| Label {
        text: String::from(text),
        signature: account.identity.sign(text.as_bytes(), &mut env.rng),
    });
    let own = contact.devices.entry(account.device).or_default();
    own.identify(*account.identity.public());
    own.claim_label(signed);
    view.put(&account_key, account)?;
    view.put(&contact_key, contact)?;
    for protocol in settings
        .protocols
        .iter()
        .filter(|protocol| protocol.supports_labels())
    {
        mark(view, &MarkPlace::Devices(protocol.namespace()))?;
    }
    Ok(())
}

/// Takes every other device off the own lists. They are kept, inactive; one that is still in use puts itself back.
pub(super) fn clear_lists(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
) -> Result<Vec<DeviceId>, Stop> {
    let contact_key = place::contact(&settings.jid)?;
    view.want(place::account()?);
    view.want(contact_key.clone());
    for namespace in settings.namespaces() {
        view.want(MarkPlace::Devices(namespace).key()?);
    }
    view.settle()?;
    let own = own_account(view)?.device;
    let mut contact = view.take::<Contact>(&contact_key)?.unwrap_or_default();
    let mut removed = Vec::new();
    for (id, device) in contact.devices.iter_mut().filter(|(id, _)| **id != own) {
        let mut listed = false;
        for namespace in settings.namespaces() {
            if let Some(active) = device.protocols.get_mut(&namespace) {
                listed |= core::mem::replace(active, false);
            }
        }
        if listed {
            removed.push(*id);
        }
    }
    for namespace in settings.namespaces() {
        // Whoever else is there now is not to stay, so nobody has to look.
        contact.refreshed.entry(namespace).or_insert(env.now);
    }
    view.put_changed(&contact_key, contact)?;
    for namespace in settings.namespaces() {
        mark(view, &MarkPlace::Devices(namespace))?;
    }
    Ok(removed)
}
