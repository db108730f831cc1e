//! Backups without sessions, and the new device that one is restored to.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::open::{self, Opened};
use super::{automatic_trust, mark, own_account};
use crate::engine::{Env, Stop, View};
use crate::records::{AccountRecord, Contact, MarkPlace, place};
use crate::settings::Settings;
use crate::transfer::Backup;
use crate::{BareJid, Error};

/// Makes a backup: the identity, and the trust decisions about the keys of `jids` and of the own account.
pub(super) fn back_up(view: &mut View, settings: &Settings, jids: &[BareJid]) -> Result<Backup, Stop> {
    let jids = super::distinct(jids.iter().chain([&settings.jid]).cloned());
    let contacts = jids.iter().map(place::contact).collect::<Result<Vec<_>, _>>()?;
    view.require(contacts.iter().cloned().chain([place::account()?]))?;
    let account = own_account(view)?;
    let mut trust = BTreeMap::new();
    for (jid, key) in jids.into_iter().zip(contacts) {
        let contact: Option<Arc<Contact>> = view.read(&key)?;
        if let Some(contact) = contact.filter(|contact| !contact.trust.is_empty()) {
            let levels = contact.trust.iter();
            trust.insert(jid, levels.map(|(key, level)| (*key, level.clone())).collect());
        }
    }
    Ok(Backup {
        jid: settings.jid.clone(),
        identity: account.identity.copy(),
        device: account.device,
        label: account.label.clone(),
        trust,
    })
}

/// Opens the account with the identity and the decisions of a backup, as a new device. The device that the backup was made
/// of is taken off the own device lists.
pub(super) fn restore(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    backup: &Backup,
) -> Result<Opened, Stop> {
    if backup.jid != settings.jid {
        return Err(Error::OtherAccount(backup.jid.clone()).into());
    }
    for level in backup.trust.values().flat_map(BTreeMap::values) {
        super::set_trust::meaning(settings, level)?;
    }
    open::want_own(view, settings)?;
    for jid in backup.trust.keys() {
        view.want(place::contact(jid)?);
    }
    view.settle()?;
    if view.read::<AccountRecord>(&place::account()?)?.is_some() {
        return Err(Error::AlreadyThere.into());
    }
    let namespaces: Vec<_> = settings.namespaces().collect();
    open::learn_lists(view, env, settings, None, &namespaces)?;
    let accounts = backup.trust.iter();
    let told = automatic_trust::authenticated(settings, accounts.map(|(jid, levels)| (jid, levels.values())));
    automatic_trust::note(view, told)?;
    for (jid, levels) in &backup.trust {
        let key = place::contact(jid)?;
        let mut contact = view.take::<Contact>(&key)?.unwrap_or_default();
        contact.trust = levels.clone().into_iter().collect();
        view.put(&key, contact)?;
    }
    let own = place::contact(&settings.jid)?;
    let mut contact = view.take::<Contact>(&own)?.unwrap_or_default();
    let device = loop {
        let device = open::unused_device_id(&contact, env);
        if device != backup.device {
            break device;
        }
    };
    if let Some(former) = contact.devices.get_mut(&backup.device) {
        for (namespace, active) in &mut former.protocols {
            if core::mem::take(active) {
                mark(view, &MarkPlace::Devices(namespace.clone()))?;
            }
        }
    }
    view.put(&own, contact)?;
    let account = AccountRecord {
        identity: backup.identity.copy(),
        device,
        label: backup.label.clone(),
        accepting_copy: false,
    };
    let mut opened = open::begin(view, env, settings, account)?;
    opened.look_over_trust = automatic_trust::must_be_looked_over(view, settings)?;
    Ok(opened)
}
