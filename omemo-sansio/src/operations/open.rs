//! Opening an account: the first time, and later.

use alloc::string::String;
use alloc::vec::Vec;

use rand_core::Rng;

use super::catch_up::{self, CatchUp};
use super::device_list::{Source, apply_downloaded, forget_records};
use super::{automatic_trust, mark, pool, within};
use crate::engine::{DownloadDeviceList, Env, Stop, View};
use crate::keys::IdentityKeyPair;
use crate::protocol::Protocol;
use crate::records::{AccountRecord, Contact, MarkPlace, PreKeys, ProtocolRecord, place};
use crate::settings::Settings;
use crate::{DeviceId, Error, Label, Namespace};

/// How an account is to be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// What the device is called, at most as many bytes as [`Limits::label`](crate::Limits::label); counts at the first opening only.
    pub label: Option<String>,
    /// Whether to begin a catch-up in the same commit: for a device that was offline and will now look at the archive.
    pub catch_up: bool,
}

impl From<Option<String>> for OpenOptions {
    fn from(label: Option<String>) -> Self {
        Self {
            label,
            ..Self::default()
        }
    }
}

/// What opening found or made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The id of this device.
    pub device: DeviceId,
    /// Whether the account was opened for the first time here.
    pub first_run: bool,
    /// The protocols whose keys were made now; their bundles wait in the outbox.
    pub added: Vec<Namespace>,
    /// The protocols that were spoken before and are not any more. What is published of them is taken back by the outbox;
    /// their keys stay, for the case that they are spoken again.
    pub dropped: Vec<Namespace>,
    /// The catch-up that was begun, if one was asked for.
    pub catch_up: Option<CatchUp>,
    /// Whether keys may be authenticated that automatic trust management does not know of, since another policy was in use:
    /// see [`Account::look_over_trust`](crate::Account::look_over_trust).
    pub look_over_trust: bool,
}

pub(super) fn open(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    options: &OpenOptions,
) -> Result<Opened, Stop> {
    let label = options.label.as_deref();
    within("a label", label.map_or(0, str::len), settings.limits.label)?;
    want_own(view, settings)?;
    if options.catch_up {
        view.want(place::catch_up()?);
    }
    view.settle()?;
    let account = view.read::<AccountRecord>(&place::account()?)?;
    let mut missing = Vec::new();
    for namespace in settings.namespaces() {
        if is_new(view, settings, account.as_deref(), &namespace)? {
            missing.push(namespace);
        }
    }
    if account.as_ref().is_some_and(|account| account.accepting_copy) {
        return Err(Error::AcceptingCopy.into());
    }
    let device = account.as_ref().map(|account| account.device);
    learn_lists(view, env, settings, device, &missing)?;
    let mut opened = match account {
        Some(account) => {
            let dropped = drop_protocols(view, settings, &account)?;
            Opened {
                device: account.device,
                first_run: false,
                added: add_protocols(view, env, settings, &account, missing)?,
                dropped,
                catch_up: None,
                look_over_trust: false,
            }
        }
        None => first_run(view, env, settings, label)?,
    };
    opened.look_over_trust = automatic_trust::must_be_looked_over(view, settings)?;
    if options.catch_up {
        opened.catch_up = Some(catch_up::begin(view, env)?);
    }
    Ok(opened)
}

/// Takes this device off the lists of protocols that it does not speak any more.
fn drop_protocols(
    view: &mut View,
    settings: &Settings,
    account: &AccountRecord,
) -> Result<Vec<Namespace>, Stop> {
    let contact_key = place::contact(&settings.jid)?;
    let spoken = |contact: &Contact| -> Vec<Namespace> {
        let own = contact.device(account.device);
        own.into_iter()
            .flat_map(|device| &device.protocols)
            .filter(|(namespace, active)| **active && settings.protocol(namespace).is_none())
            .map(|(namespace, _)| namespace.clone())
            .collect()
    };
    let dropped = match view.read::<Contact>(&contact_key)? {
        Some(contact) => spoken(&contact),
        None => Vec::new(),
    };
    if dropped.is_empty() {
        return Ok(dropped);
    }
    view.require(
        dropped
            .iter()
            .map(|namespace| MarkPlace::Withdrawal(namespace.clone()).key())
            .collect::<Result<Vec<_>, _>>()?,
    )?;
    let mut contact = view.take::<Contact>(&contact_key)?.unwrap_or_default();
    let own = contact.devices.entry(account.device).or_default();
    for namespace in &dropped {
        own.protocols.insert(namespace.clone(), false);
        mark(view, &MarkPlace::Withdrawal(namespace.clone()))?;
    }
    view.put_changed(&contact_key, contact)?;
    Ok(dropped)
}

/// Asks for what an account consists of.
pub(super) fn want_own(view: &mut View, settings: &Settings) -> Result<(), Stop> {
    view.want(place::account()?);
    view.want(place::contact(&settings.jid)?);
    if settings.trust.automatic().is_some() {
        view.want(place::owed_trust()?);
    }
    for namespace in settings.namespaces() {
        view.want(place::protocol(&namespace)?);
        view.want(place::pre_keys(&namespace)?);
        view.want(MarkPlace::Bundle(namespace.clone()).key()?);
        view.want(MarkPlace::Devices(namespace.clone()).key()?);
        view.want(MarkPlace::Withdrawal(namespace).key()?);
    }
    Ok(())
}

/// Downloads the own device lists of protocols that are new here: other devices of the account may be on them, and must
/// stay there when this one is added.
pub(super) fn learn_lists(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    own: Option<DeviceId>,
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
        let source = Source::new(settings, own, &settings.jid, namespace, env.now);
        let met = apply_downloaded(&mut contact, &source, &list.unwrap_or_default()).met;
        forget_records(view, settings, &settings.jid, &met)?;
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
    let contact = view
        .read::<Contact>(&place::contact(&settings.jid)?)?
        .unwrap_or_default();
    let account = AccountRecord {
        identity: IdentityKeyPair::generate(&mut env.rng),
        device: unused_device_id(&contact, env),
        label: label.map(String::from),
        accepting_copy: false,
    };
    begin(view, env, settings, account)
}

/// Begins a device: its account record, its entry in the own contact, the keys of every protocol.
pub(super) fn begin(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    account: AccountRecord,
) -> Result<Opened, Stop> {
    let contact_key = place::contact(&settings.jid)?;
    let mut contact = view.take::<Contact>(&contact_key)?.unwrap_or_default();
    let device = account.device;
    let own = contact.devices.entry(device).or_default();
    own.identify(*account.identity.public());
    own.claim_label(account.label.as_ref().map(|text| Label {
        text: text.clone(),
        signature: account.identity.sign(text.as_bytes(), &mut env.rng),
    }));
    view.put(&contact_key, contact)?;
    let added = add_protocols(view, env, settings, &account, settings.namespaces().collect())?;
    view.put(&place::account()?, account)?;
    Ok(Opened {
        device,
        first_run: true,
        added,
        dropped: Vec::new(),
        catch_up: None,
        look_over_trust: false,
    })
}

/// Makes the keys of protocols that are new here, or sees to those of protocols that were spoken before, and puts this
/// device on their lists.
fn add_protocols(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    account: &AccountRecord,
    added: Vec<Namespace>,
) -> Result<Vec<Namespace>, Stop> {
    if added.is_empty() {
        return Ok(added);
    }
    for protocol in &settings.protocols {
        let namespace = protocol.namespace();
        if !added.contains(&namespace) {
            continue;
        }
        see_to_keys(view, env, settings, protocol.as_ref(), &account.identity)?;
        view.delete(&MarkPlace::Withdrawal(namespace.clone()).key()?)?;
        mark(view, &MarkPlace::Bundle(namespace.clone()))?;
        mark(view, &MarkPlace::Devices(namespace))?;
    }
    let contact_key = place::contact(&settings.jid)?;
    let mut contact = view.take::<Contact>(&contact_key)?.unwrap_or_default();
    let own = contact.devices.entry(account.device).or_default();
    own.identify(*account.identity.public());
    own.protocols
        .extend(added.iter().map(|namespace| (namespace.clone(), true)));
    view.put(&contact_key, contact)?;
    Ok(added)
}

/// Makes the keys of a protocol. Those it had may have rested for long, and its pre keys are gone if a copy was accepted
/// meanwhile.
fn see_to_keys(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    protocol: &dyn Protocol,
    identity: &IdentityKeyPair,
) -> Result<(), Stop> {
    let namespace = protocol.namespace();
    let (key, pre_keys_key) = (place::protocol(&namespace)?, place::pre_keys(&namespace)?);
    let (record, pre_keys) = match view.take::<ProtocolRecord>(&key)? {
        None => pool::create(protocol, identity, env.now, &mut env.rng),
        Some(mut record) => {
            let mut pre_keys = view.take::<PreKeys>(&pre_keys_key)?.unwrap_or_default();
            record.correct_age(env.now, settings.rotation_period);
            if env.now - record.signed_pre_key.created >= settings.rotation_period {
                pool::rotate(protocol, identity, &mut record, settings, env.now, &mut env.rng);
            }
            pool::refill(&mut record, &mut pre_keys, &mut env.rng);
            (record, pre_keys)
        }
    };
    view.put_changed(&key, record)?;
    view.put_changed(&pre_keys_key, pre_keys)
}

/// Whether this device has no keys of the protocol yet, or has taken itself off its list since it was spoken last.
fn is_new(
    view: &mut View,
    settings: &Settings,
    account: Option<&AccountRecord>,
    namespace: &Namespace,
) -> Result<bool, Stop> {
    let Some(account) = account else { return Ok(true) };
    if view
        .read::<ProtocolRecord>(&place::protocol(namespace)?)?
        .is_none()
    {
        return Ok(true);
    }
    let contact = view.read::<Contact>(&place::contact(&settings.jid)?)?;
    let spoken =
        contact.and_then(|contact| contact.device(account.device)?.protocols.get(namespace).copied());
    Ok(spoken == Some(false))
}

/// An id from 1 to 2^31 - 1 that no device of the account has (XEP-0384, section 5.1).
pub(super) fn unused_device_id(contact: &Contact, env: &mut Env<'_>) -> DeviceId {
    loop {
        let id = DeviceId::new(env.rng.next_u32() >> 1);
        if id.get() != 0 && !contact.devices.contains_key(&id) {
            return id;
        }
    }
}
