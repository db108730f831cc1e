//! Emptying the outbox.
//!
//! A mark says that something must reach the outside; what that is, is built from the records as they are when it is
//! sent, and the mark goes only if they are still so when its arrival is known. A mark that was set again meanwhile, or
//! keys that have changed since an upload, make it send once more, so a slow old upload never has the last word.

use alloc::string::String;
use alloc::vec::Vec;

use super::device_list::{Source, apply_downloaded, current_list, forget_records, keep_listed};
use super::{catch_up, own_account, pool, replies};
use crate::engine::{DeleteBundle, DownloadDeviceList, Env, Stop, View};
use crate::error::BundleFailure;
use crate::records::{AccountRecord, Contact, Mark, MarkPlace, PreKeys, ProtocolRecord, Receiver, place};
use crate::settings::Settings;
use crate::{BareJid, DeviceId, Namespace, NetworkError, RecordError};

/// What is left to say of an outbox after it was flushed.
#[derive(Clone, Debug, Default)]
pub struct Flushed {
    /// What was sent and acknowledged.
    pub sent: Vec<OutboxItem>,
    /// What failed. It stays in the outbox, but for replies that no session can be opened for.
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
    /// What was published of a protocol that this device does not speak any more: its place on the list, and the bundle.
    Withdrawal(Namespace),
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
    /// What was published of a protocol is to be taken back, and it is spoken here: another process has given it up. That one
    /// takes it back; both would publish lists that undo each other's.
    StillSpoken,
    /// A stored record of the contact cannot be read. What is owed to others leaves all the same, unless 256 answers are
    /// owed to damaged contacts whose names come before theirs: until those are purged.
    Corrupt {
        /// The partition of the record.
        partition: String,
        /// The item of the record.
        item: String,
        /// What is wrong with it.
        source: RecordError,
    },
}

impl From<&MarkPlace> for OutboxItem {
    fn from(place: &MarkPlace) -> Self {
        match place.clone() {
            MarkPlace::Bundle(namespace) => Self::Bundle(namespace),
            MarkPlace::Devices(namespace) => Self::DeviceList(namespace),
            MarkPlace::Withdrawal(namespace) => Self::Withdrawal(namespace),
            MarkPlace::Reply(namespace, jid, device) | MarkPlace::Repair(namespace, jid, device) => {
                Self::Reply {
                    namespace,
                    jid,
                    device,
                }
            }
        }
    }
}

impl From<Receiver> for OutboxItem {
    fn from(receiver: Receiver) -> Self {
        let Receiver {
            namespace,
            jid,
            device,
        } = receiver;
        Self::Reply {
            namespace,
            jid,
            device,
        }
    }
}

pub(super) fn flush(view: &mut View, env: &mut Env<'_>, settings: &Settings) -> Result<Flushed, Stop> {
    view.want_partition(&omemo_storage::Name::new(place::OWN)?);
    view.want(place::contact(&settings.jid)?);
    view.settle()?;
    let account = own_account(view)?;
    let mut flushed = Flushed::default();
    let mut owed = Vec::new();
    let mut lists = Vec::new();
    let mut bundles = Vec::new();
    let mut withdrawals = Vec::new();
    for place in view.marks()? {
        match &place {
            MarkPlace::Bundle(namespace) => bundles.push(namespace.clone()),
            MarkPlace::Devices(namespace) => lists.push(namespace.clone()),
            MarkPlace::Withdrawal(namespace) => withdrawals.push(namespace.clone()),
            MarkPlace::Reply(..) | MarkPlace::Repair(..) => owed.push(place),
        }
    }
    if catch_up::any_open(view, env)? {
        flushed.postponed = owed.len();
        owed.clear();
    }
    let mut owed = replies::gather(view, settings, env.now, owed, &mut flushed)?;
    if owed.awaits_bundles {
        // A bundle may take as long as the server of its device likes: what can leave does so first.
        let ready = core::mem::take(&mut owed.ready);
        replies::send(view, env, settings, &account, ready, &mut flushed)?;
    }
    flush_bundles(view, settings, &account, bundles, &mut flushed)?;
    flush_withdrawals(view, settings, &account, withdrawals, &mut flushed)?;
    let lists = learn_lists(view, env, settings, &account, lists, &mut flushed)?;
    view.settle()?;
    flush_lists(view, settings, lists, &mut flushed)?;
    view.settle()?;
    replies::send(view, env, settings, &account, owed.ready, &mut flushed)?;
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
        let record = view.read::<ProtocolRecord>(&place::protocol(&namespace)?)?;
        let pre_keys = view.read::<PreKeys>(&place::pre_keys(&namespace)?)?;
        let (Some(record), Some(pre_keys)) = (record, pre_keys) else {
            // Purged meanwhile.
            continue;
        };
        let bundle = pool::bundle(&account.identity, &record, &pre_keys);
        if let Some(answer) = view.upload_bundle(&namespace, account.device, bundle) {
            acknowledge(view, &place, answer.map_err(OutboxFailure::Network), flushed)?;
        }
    }
    Ok(())
}

/// Downloads the lists that are to be published and were never seen, as after an import: what was known elsewhere may be
/// old, and devices that came since must stay on them. Those that cannot be seen now are not published.
fn learn_lists(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    account: &AccountRecord,
    marked: Vec<Namespace>,
    flushed: &mut Flushed,
) -> Result<Vec<Namespace>, Stop> {
    let key = place::contact(&settings.jid)?;
    let contact = view.read::<Contact>(&key)?.unwrap_or_default();
    let (mut lists, unseen): (Vec<_>, Vec<_>) = marked
        .into_iter()
        .partition(|namespace| contact.knows_list(namespace) || settings.protocol(namespace).is_none());
    if unseen.is_empty() {
        return Ok(lists);
    }
    let mut contact = view.take::<Contact>(&key)?.unwrap_or_default();
    for namespace in unseen {
        let request = DownloadDeviceList {
            namespace: namespace.clone(),
            jid: settings.jid.clone(),
        };
        match view.device_list(request)? {
            None => {}
            Some(Err(error)) => {
                let item = OutboxItem::DeviceList(namespace);
                flushed.failed.push((item, OutboxFailure::Network(error)));
            }
            Some(Ok(list)) => {
                let list = list.unwrap_or_default();
                let source = Source::new(settings, Some(account.device), &settings.jid, &namespace, env.now);
                let met = apply_downloaded(&mut contact, &source, &list).met;
                keep_listed(&mut contact, account, &source, &list);
                forget_records(view, settings, &settings.jid, &met)?;
                lists.push(namespace);
            }
        }
    }
    view.put_changed(&key, contact)?;
    Ok(lists)
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
        if let Some(answer) =
            view.upload_device_list(&namespace, current_list(settings, &contact, &namespace))
        {
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

/// Takes back what was published of protocols that this device does not speak any more: its place on the list first, so
/// that nobody looks for a bundle that is gone.
fn flush_withdrawals(
    view: &mut View,
    settings: &Settings,
    account: &AccountRecord,
    marked: Vec<Namespace>,
    flushed: &mut Flushed,
) -> Result<(), Stop> {
    for namespace in marked {
        let place = MarkPlace::Withdrawal(namespace.clone());
        if settings.protocol(&namespace).is_some() {
            acknowledge(view, &place, Err(OutboxFailure::StillSpoken), flushed)?;
            continue;
        }
        view.read::<Mark>(&place.key()?)?;
        // Updates of the list are not followed where the protocol is not spoken.
        let request = DownloadDeviceList {
            namespace: namespace.clone(),
            jid: settings.jid.clone(),
        };
        let off_the_list = match view.device_list(request)? {
            None => None,
            Some(Err(error)) => Some(Err(error)),
            Some(Ok(list)) => {
                let mut list = list.unwrap_or_default();
                match list.devices.remove(&account.device) {
                    None => Some(Ok(())),
                    Some(_) => view.upload_device_list(&namespace, list),
                }
            }
        };
        let bundle = DeleteBundle {
            namespace,
            device: account.device,
        };
        let answer = match off_the_list {
            Some(Ok(())) => view.delete_bundle(bundle),
            other => other,
        };
        if let Some(answer) = answer {
            acknowledge(view, &place, answer.map_err(OutboxFailure::Network), flushed)?;
        }
    }
    Ok(())
}
