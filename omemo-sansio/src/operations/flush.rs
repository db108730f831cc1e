//! Emptying the outbox.
//!
//! A mark says that something must reach the outside; what that is, is built from the records as they are when it is
//! sent, and the mark goes only if they are still so when its arrival is known. A mark that was set again meanwhile, or
//! keys that have changed since an upload, make it send once more, so a slow old upload never has the last word.

use alloc::vec::Vec;

use super::device_list::current_list;
use super::{catch_up, own_account, pool, replies};
use crate::engine::{Env, Stop, View};
use crate::error::BundleFailure;
use crate::records::{AccountRecord, Contact, Mark, MarkPlace, PreKeys, ProtocolRecord, place};
use crate::settings::Settings;
use crate::{BareJid, DeviceId, Error, Namespace, NetworkError};

/// What is left to say of an outbox after it was flushed.
#[derive(Clone, Debug, Default)]
pub struct Flushed {
    /// What was sent and acknowledged.
    pub sent: Vec<OutboxItem>,
    /// What failed; it stays in the outbox.
    pub failed: Vec<(OutboxItem, OutboxFailure)>,
    /// How many replies wait for the end of a catch-up, or for the next flush since there are many.
    pub postponed: usize,
}

/// Something in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxItem {
    /// The bundle of a protocol.
    Bundle(Namespace),
    /// The own device list of a protocol.
    DeviceList(Namespace),
    /// An empty message to a device.
    Reply {
        /// The protocol.
        namespace: Namespace,
        /// The account.
        jid: BareJid,
        /// The device.
        device: DeviceId,
    },
}

/// Why something stays in the outbox.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OutboxFailure {
    /// It could not be sent.
    Network(NetworkError),
    /// The device an empty message is for offers no bundle that a session could be opened from.
    Bundle(BundleFailure),
    /// The device list waits for the bundle, which must be there first.
    AfterBundle,
    /// The protocol is not spoken any more.
    UnknownNamespace,
}

impl From<&MarkPlace> for OutboxItem {
    fn from(place: &MarkPlace) -> Self {
        match place.clone() {
            MarkPlace::Bundle(namespace) => Self::Bundle(namespace),
            MarkPlace::Devices(namespace) => Self::DeviceList(namespace),
            MarkPlace::Reply(namespace, jid, device) => Self::Reply {
                namespace,
                jid,
                device,
            },
        }
    }
}

pub(super) fn flush(view: &mut View, env: &mut Env<'_>, settings: &Settings) -> Result<Flushed, Stop> {
    view.want_partition(omemo_storage::Name::new(place::OWN)?);
    view.want(place::contact(&settings.jid)?);
    view.settle()?;
    let account = own_account(view)?;
    let mut flushed = Flushed::default();
    let mut owed = Vec::new();
    let mut lists = Vec::new();
    let mut bundles = Vec::new();
    for place in view.marks()? {
        match &place {
            MarkPlace::Bundle(namespace) => bundles.push(namespace.clone()),
            MarkPlace::Devices(namespace) => lists.push(namespace.clone()),
            MarkPlace::Reply(..) => owed.push(place),
        }
    }
    if catch_up::any_open(view, env)? {
        flushed.postponed = owed.len();
        owed.clear();
    }
    let owed = replies::gather(view, settings, owed, &mut flushed)?;
    flush_bundles(view, settings, &account, bundles, &mut flushed)?;
    view.settle()?;
    flush_lists(view, settings, lists, &mut flushed)?;
    view.settle()?;
    replies::send(view, env, settings, &account, owed, &mut flushed)?;
    Ok(flushed)
}

/// Deletes the mark of what has arrived, or notes why it stays.
pub(super) fn acknowledge(
    view: &mut View,
    place: &MarkPlace,
    answer: Result<(), OutboxFailure>,
    flushed: &mut Flushed,
) -> Result<(), Stop> {
    match answer {
        Ok(()) => {
            view.delete(&place.key()?)?;
            flushed.sent.push(place.into());
        }
        Err(failure) => flushed.failed.push((place.into(), failure)),
    }
    Ok(())
}

/// Publishes the bundles that are marked, and those that have changed since this operation published them.
fn flush_bundles(
    view: &mut View,
    settings: &Settings,
    account: &AccountRecord,
    marked: Vec<Namespace>,
    flushed: &mut Flushed,
) -> Result<(), Stop> {
    for namespace in marked
        .iter()
        .filter(|namespace| settings.protocol(namespace).is_none())
    {
        flushed.failed.push((
            OutboxItem::Bundle(namespace.clone()),
            OutboxFailure::UnknownNamespace,
        ));
    }
    for namespace in settings.namespaces() {
        if !marked.contains(&namespace) && !view.has_uploaded_bundle(&namespace) {
            continue;
        }
        let place = MarkPlace::Bundle(namespace.clone());
        view.read::<Mark>(&place.key()?)?;
        let record = view
            .read::<ProtocolRecord>(&place::protocol(&namespace)?)?
            .ok_or(Error::NotOpened)?;
        let pre_keys = view
            .read::<PreKeys>(&place::pre_keys(&namespace)?)?
            .ok_or(Error::NotOpened)?;
        let bundle = pool::bundle(&account.identity, &record, &pre_keys);
        if let Some(answer) = view.upload_bundle(&namespace, account.device, bundle) {
            acknowledge(view, &place, answer.map_err(OutboxFailure::Network), flushed)?;
        }
    }
    Ok(())
}

/// Publishes the device lists that are marked, each after its bundle (XEP-0384, section 5.3).
fn flush_lists(
    view: &mut View,
    settings: &Settings,
    marked: Vec<Namespace>,
    flushed: &mut Flushed,
) -> Result<(), Stop> {
    let contact = view
        .read::<Contact>(&place::contact(&settings.jid)?)?
        .unwrap_or_default();
    for namespace in settings.namespaces() {
        if !marked.contains(&namespace) && !view.has_uploaded_device_list(&namespace) {
            continue;
        }
        let place = MarkPlace::Devices(namespace.clone());
        view.read::<Mark>(&place.key()?)?;
        let bundle = OutboxItem::Bundle(namespace.clone());
        if flushed.failed.iter().any(|(item, _)| *item == bundle) {
            flushed.failed.push(((&place).into(), OutboxFailure::AfterBundle));
            continue;
        }
        if let Some(answer) = view.upload_device_list(&namespace, current_list(&contact, &namespace)) {
            acknowledge(view, &place, answer.map_err(OutboxFailure::Network), flushed)?;
        }
    }
    for namespace in marked
        .into_iter()
        .filter(|namespace| settings.protocol(namespace).is_none())
    {
        flushed
            .failed
            .push((OutboxItem::DeviceList(namespace), OutboxFailure::UnknownNamespace));
    }
    Ok(())
}
