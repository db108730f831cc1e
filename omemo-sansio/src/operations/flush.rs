//! Emptying the outbox.
//!
//! A mark says that something must reach the outside; what that is, is built from the records as they are when it is
//! sent, and the mark goes only if they are still so when its arrival is known. A mark that was set again meanwhile, or
//! keys that have changed since an upload, make it send once more, so a slow old upload never has the last word.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::device_list::current_list;
use super::key_exchange::{initiate, usable_bundle};
use super::{catch_up, own_account, pool};
use crate::engine::{DownloadBundle, Env, SendMessage, Stop, View};
use crate::error::{BundleFailure, EncryptFailure};
use crate::ratchet::Session;
use crate::records::{AccountRecord, Contact, Mark, MarkPlace, PreKeys, ProtocolRecord, place};
use crate::settings::Settings;
use crate::{BareJid, DeviceId, EncryptedMessage, Error, KeyElement, Namespace, NetworkError, RecipientKeys};

/// What is left to say of an outbox after it was flushed.
#[derive(Clone, Debug, Default)]
pub struct Flushed {
    /// What was sent and acknowledged.
    pub sent: Vec<OutboxItem>,
    /// What failed; it stays in the outbox.
    pub failed: Vec<(OutboxItem, OutboxFailure)>,
    /// How many replies wait for the end of a catch-up.
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
    let mut replies = Vec::new();
    let mut lists = Vec::new();
    let mut bundles = Vec::new();
    for place in view.marks()? {
        match &place {
            MarkPlace::Bundle(namespace) => bundles.push(namespace.clone()),
            MarkPlace::Devices(namespace) => lists.push(namespace.clone()),
            MarkPlace::Reply(..) => replies.push(place),
        }
    }
    if catch_up::any_open(view, env)? {
        flushed.postponed = replies.len();
        replies.clear();
    }
    let replies = gather_replies(view, settings, replies, &mut flushed)?;
    flush_bundles(view, settings, &account, bundles, &mut flushed)?;
    view.settle()?;
    flush_lists(view, settings, lists, &mut flushed)?;
    view.settle()?;
    send_replies(view, env, settings, &account, replies, &mut flushed)?;
    Ok(flushed)
}

/// Deletes the mark of what has arrived, or notes why it stays.
fn acknowledge(
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

/// A reply that is owed.
struct Reply {
    place: MarkPlace,
    namespace: Namespace,
    jid: BareJid,
    device: DeviceId,
    /// What a session has to be opened from, if there is none.
    bundle: Option<crate::Bundle>,
}

/// Acknowledges the replies that were sent, and gathers what the others need.
fn gather_replies(
    view: &mut View,
    settings: &Settings,
    marked: Vec<MarkPlace>,
    flushed: &mut Flushed,
) -> Result<Vec<Reply>, Stop> {
    let mut owed = Vec::new();
    for place in marked {
        let MarkPlace::Reply(namespace, jid, device) = place.clone() else {
            continue;
        };
        match view.sent(&place)? {
            Some(answer) => acknowledge(view, &place, answer.map_err(OutboxFailure::Network), flushed)?,
            None if settings.protocol(&namespace).is_none() => {
                flushed
                    .failed
                    .push(((&place).into(), OutboxFailure::UnknownNamespace));
            }
            None => {
                view.want(place::session(&jid, &namespace, device)?);
                view.want(place::contact(&jid)?);
                owed.push(Reply {
                    place,
                    namespace,
                    jid,
                    device,
                    bundle: None,
                });
            }
        }
    }
    view.settle()?;
    let mut ready = Vec::new();
    for mut reply in owed {
        if view
            .read::<Session>(&place::session(&reply.jid, &reply.namespace, reply.device)?)?
            .is_none()
        {
            match bundle_for(view, settings, &reply)? {
                None => continue,
                Some(Ok(bundle)) => reply.bundle = Some(bundle),
                Some(Err(failure)) => {
                    flushed
                        .failed
                        .push(((&reply.place).into(), OutboxFailure::Bundle(failure)));
                    continue;
                }
            }
        }
        ready.push(reply);
    }
    Ok(ready)
}

/// The bundle to open a session from; `None` if it has to be downloaded first.
fn bundle_for(
    view: &mut View,
    settings: &Settings,
    reply: &Reply,
) -> Result<Option<Result<crate::Bundle, BundleFailure>>, Stop> {
    let contact = view.read::<Contact>(&place::contact(&reply.jid)?)?;
    let known = contact.and_then(|contact| contact.device(reply.device).and_then(|device| device.identity));
    let request = DownloadBundle {
        namespace: reply.namespace.clone(),
        jid: reply.jid.clone(),
        device: reply.device,
    };
    Ok(view
        .bundle(request)
        .map(|answer| usable_bundle(settings, &reply.namespace, answer, reply.device, known)))
}

/// Encrypts the empty messages that are owed; they leave once their sessions are committed.
fn send_replies(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    account: &Arc<AccountRecord>,
    replies: Vec<Reply>,
    flushed: &mut Flushed,
) -> Result<(), Stop> {
    let mut any = false;
    for reply in replies {
        match empty_message(view, env, settings, account, &reply) {
            Ok(message) => {
                let message = SendMessage {
                    to: reply.jid,
                    message,
                };
                view.send_after_commit(&reply.place, message)?;
                any = true;
            }
            // A ratchet that cannot go on must not hold up the others; its mark has nothing left to ask for.
            Err(Stop::Fail(Error::Encrypt(EncryptFailure::Session { .. }))) => {
                acknowledge(view, &reply.place, Ok(()), flushed)?;
            }
            Err(stop) => return Err(stop),
        }
    }
    if any { Err(Stop::Checkpoint) } else { Ok(()) }
}

fn empty_message(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    account: &AccountRecord,
    reply: &Reply,
) -> Result<EncryptedMessage, Stop> {
    let Reply {
        namespace,
        jid,
        device,
        bundle,
        ..
    } = reply;
    let protocol = settings
        .protocol(namespace)
        .ok_or_else(|| Error::UnknownNamespace(namespace.clone()))?;
    let key = place::session(jid, namespace, *device)?;
    let mut session = match (view.take::<Session>(&key)?, bundle) {
        (Some(session), _) => session,
        (None, Some(bundle)) => initiate(env, protocol.as_ref(), account, bundle)?,
        (None, None) => return Err(Error::Internal("a reply has neither session nor bundle").into()),
    };
    let sealed = session
        .encrypt(
            protocol.as_ref(),
            account.identity.public(),
            protocol.empty_key_material().as_bytes(),
        )
        .map_err(|source| EncryptFailure::Session {
            device: *device,
            source,
        })?;
    view.put(&key, session)?;
    let element = KeyElement {
        device: *device,
        key_exchange: sealed.key_exchange,
        data: sealed.data,
    };
    Ok(EncryptedMessage {
        namespace: namespace.clone(),
        sender_device: account.device,
        recipients: [RecipientKeys {
            jid: Some(jid.clone()),
            keys: [element].into(),
        }]
        .into(),
        payload: None,
    })
}
