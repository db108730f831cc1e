//! Opening an account: the first time, and later.

use alloc::string::String;
use alloc::vec::Vec;

use rand_core::Rng;

use super::device_list::apply_downloaded;
use super::{mark, pool, within};
use crate::engine::{DownloadDeviceList, Env, Stop, View};
use crate::keys::IdentityKeyPair;
use crate::records::{AccountRecord, Contact, MarkPlace, ProtocolRecord, place};
use crate::settings::Settings;
use crate::{DeviceId, Error, Label, MAX_LABEL, Namespace};

/// The most bytes the own label may have.
pub const MAX_OWN_LABEL: usize = MAX_LABEL;

/// What opening found or made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The id of this device.
    pub device: DeviceId,
    /// Whether the account was opened for the first time here.
    pub first_run: bool,
    /// The protocols whose keys were made now; their bundles wait in the outbox.
    pub added: Vec<Namespace>,
}

pub(super) fn open(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    label: Option<&str>,
) -> Result<Opened, Stop> {
    within("a label", label.map_or(0, str::len), MAX_OWN_LABEL)?;
    view.want(place::account()?);
    view.want(place::contact(&settings.jid)?);
    for namespace in settings.namespaces() {
        view.want(place::protocol(&namespace)?);
        view.want(place::pre_keys(&namespace)?);
        view.want(MarkPlace::Bundle(namespace.clone()).key()?);
        view.want(MarkPlace::Devices(namespace).key()?);
    }
    view.settle()?;
    let mut missing = Vec::new();
    for namespace in settings.namespaces() {
        if view
            .read::<ProtocolRecord>(&place::protocol(&namespace)?)?
            .is_none()
        {
            missing.push(namespace);
        }
    }
    learn_lists(view, env, settings, &missing)?;
    match view.read::<AccountRecord>(&place::account()?)? {
        Some(account) => {
            let added = add_protocols(view, env, settings, &account)?;
            Ok(Opened {
                device: account.device,
                first_run: false,
                added,
            })
        }
        None => first_run(view, env, settings, label),
    }
}

/// Downloads the own device lists of protocols that are new here: other devices of the account may be on them, and must
/// stay there when this one is added.
fn learn_lists(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    namespaces: &[Namespace],
) -> Result<(), Stop> {
    let mut lists = Vec::new();
    for namespace in namespaces {
        let request = DownloadDeviceList {
            namespace: namespace.clone(),
            jid: settings.jid.clone(),
        };
        if let Some(answer) = view.device_list(request)? {
            lists.push((namespace, answer));
        }
    }
    view.settle()?;
    let contact_key = place::contact(&settings.jid)?;
    let mut contact = view.take::<Contact>(&contact_key)?.unwrap_or_default();
    for (namespace, answer) in lists {
        let list = answer.map_err(|source| Error::Network {
            what: "the download of the own device list",
            source,
        })?;
        apply_downloaded(&mut contact, namespace, &list.unwrap_or_default(), env.now);
    }
    if !namespaces.is_empty() {
        view.put_changed(&contact_key, contact)?;
    }
    Ok(())
}

fn first_run(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    label: Option<&str>,
) -> Result<Opened, Stop> {
    let contact_key = place::contact(&settings.jid)?;
    let mut contact = view.take::<Contact>(&contact_key)?.unwrap_or_default();
    let account = AccountRecord {
        identity: IdentityKeyPair::generate(&mut env.rng),
        device: unused_device_id(&contact, env),
        label: label.map(String::from),
    };
    let device = account.device;
    let own = contact.devices.entry(device).or_default();
    own.identify(*account.identity.public());
    own.claim_label(label.map(|text| Label {
        text: String::from(text),
        signature: account.identity.sign(text.as_bytes(), &mut env.rng),
    }));
    view.put(&contact_key, contact)?;
    let added = add_protocols(view, env, settings, &account)?;
    view.put(&place::account()?, account)?;
    Ok(Opened {
        device,
        first_run: true,
        added,
    })
}

/// Makes the keys of every protocol that has none yet, and puts this device on its list.
fn add_protocols(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    account: &AccountRecord,
) -> Result<Vec<Namespace>, Stop> {
    let mut added = Vec::new();
    for protocol in &settings.protocols {
        let namespace = protocol.namespace();
        let key = place::protocol(&namespace)?;
        if view.read::<ProtocolRecord>(&key)?.is_some() {
            continue;
        }
        let (record, pre_keys) = pool::create(protocol.as_ref(), &account.identity, env.now, &mut env.rng)?;
        view.put(&key, record)?;
        view.put(&place::pre_keys(&namespace)?, pre_keys)?;
        mark(view, &MarkPlace::Bundle(namespace.clone()))?;
        mark(view, &MarkPlace::Devices(namespace.clone()))?;
        added.push(namespace);
    }
    if !added.is_empty() {
        let contact_key = place::contact(&settings.jid)?;
        let mut contact = view.take::<Contact>(&contact_key)?.unwrap_or_default();
        let own = contact.devices.entry(account.device).or_default();
        own.identify(*account.identity.public());
        own.protocols
            .extend(added.iter().map(|namespace| (namespace.clone(), true)));
        view.put(&contact_key, contact)?;
    }
    Ok(added)
}

/// An id from 1 to 2^31 - 1 that no device of the account has (XEP-0384, section 5.1).
fn unused_device_id(contact: &Contact, env: &mut Env<'_>) -> DeviceId {
    loop {
        let id = DeviceId::new(env.rng.next_u32() >> 1);
        if id.get() != 0 && !contact.devices.contains_key(&id) {
            return id;
        }
    }
}
