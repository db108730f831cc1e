//! The replies that the outbox owes: empty messages that answer a key exchange, move a ratchet on, or open a session.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::flush::{Flushed, OutboxFailure, acknowledge};
use super::key_exchange::{initiate, usable_bundle};
use super::recipients::peer_of_session;
use super::repairs;
use crate::engine::{DownloadBundle, Env, SendMessage, Stop, View};
use crate::error::{BundleFailure, EncryptFailure};
use crate::keys::IdentityKey;
use crate::ratchet::Session;
use crate::records::{AccountRecord, Contact, ContactDevice, Mark, MarkPlace, Receiver, place};
use crate::settings::Settings;
use crate::{
    BareJid, Bundle, DeviceId, EncryptedMessage, Error, KeyElement, Namespace, RecipientKeys, Timestamp,
};

/// The most answers that one flush looks at together; the others wait until these are sent, or for the next. Those who are
/// owed a new session are few anyway.
const MAX_ANSWERS: usize = 256;

/// After how many messages without an answer no empty ones follow: half of those that a receiver skips. One that cannot be sent
/// is encrypted anew whenever it is tried, and whatever else is written in the session by then says the same.
const MAX_UNANSWERED: u32 = 500;

/// A reply that is owed.
pub(super) struct Reply {
    place: MarkPlace,
    namespace: Namespace,
    jid: BareJid,
    device: DeviceId,
    /// What a session has to be opened from, if there is none.
    bundle: Option<Bundle>,
}

/// What is owed.
pub(super) struct Owed {
    /// The replies that have a session, or a bundle to open one from.
    pub(super) ready: Vec<Reply>,
    /// Whether there are others whose bundle has to be downloaded first.
    pub(super) awaits_bundles: bool,
}

/// Acknowledges the replies that were sent, and gathers what the others need.
pub(super) fn gather(
    view: &mut View,
    settings: &Settings,
    now: Timestamp,
    marked: Vec<MarkPlace>,
    flushed: &mut Flushed,
) -> Result<Owed, Stop> {
    flushed.sent.extend(view.receivers().cloned().map(Into::into));
    let to_answer = marked.iter().filter(|place| is_answer(place));
    let answered: BTreeSet<_> = to_answer.filter_map(MarkPlace::receiver).collect();
    let mut owed = Vec::new();
    let mut doubled = BTreeSet::new();
    let mut answers = 0_usize;
    for place in marked {
        if is_answer(&place) && answers == MAX_ANSWERS {
            flushed.postponed += 1;
            continue;
        }
        let Some(receiver) = place.receiver() else {
            continue;
        };
        if !is_answer(&place) && answered.contains(&receiver) {
            doubled.insert(receiver);
            continue;
        }
        let Receiver {
            namespace,
            jid,
            device,
        } = receiver;
        match view.sent(&place)? {
            Some(Ok(())) => view.delete(&place.key()?)?,
            Some(Err(error)) => acknowledge(view, &place, Err(OutboxFailure::Network(error)), flushed)?,
            None if settings.protocol(&namespace).is_none() => {
                flushed
                    .failed
                    .push(((&place).into(), OutboxFailure::UnknownNamespace));
            }
            None => {
                view.want(place::session(&jid, &namespace, device)?);
                view.want(place::contact(&jid)?);
                answers += usize::from(is_answer(&place));
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
    let owed = make_ready(view, settings, now, owed, flushed)?;
    forget_doubled(view, &owed.ready, &doubled)?;
    Ok(owed)
}

/// Forgets the new sessions that are owed to devices whose answers are ready, as those say as much. Not before: an answer that
/// fails is not tried again.
fn forget_doubled(view: &mut View, ready: &[Reply], doubled: &BTreeSet<Receiver>) -> Result<(), Stop> {
    for reply in ready.iter().filter(|reply| is_answer(&reply.place)) {
        let repair = MarkPlace::Repair(reply.namespace.clone(), reply.jid.clone(), reply.device);
        if repair
            .receiver()
            .is_some_and(|receiver| doubled.contains(&receiver))
        {
            view.read::<Mark>(&reply.place.key()?)?;
            view.delete(&repair.key()?)?;
        }
    }
    Ok(())
}

fn is_answer(place: &MarkPlace) -> bool {
    matches!(place, MarkPlace::Reply(..))
}

/// Keeps the replies that have a session, or a bundle to open one from.
fn make_ready(
    view: &mut View,
    settings: &Settings,
    now: Timestamp,
    replies: Vec<Reply>,
    flushed: &mut Flushed,
) -> Result<Owed, Stop> {
    let mut owed = Owed {
        ready: Vec::new(),
        awaits_bundles: false,
    };
    for mut reply in replies {
        let (known, session) = match known_device(view, &reply) {
            Err(Stop::Fail(Error::Corrupt {
                partition,
                item,
                source,
            })) => {
                let failure = OutboxFailure::Corrupt {
                    partition,
                    item,
                    source,
                };
                acknowledge(view, &reply.place, Err(failure), flushed)?;
                continue;
            }
            known => known?,
        };
        if session.is_some_and(|peer| known.is_none_or(|known| known.identity.is_none_or(|key| key == peer)))
        {
            owed.ready.push(reply);
            continue;
        }
        match bundle_for(view, settings, &reply, known)? {
            None => owed.awaits_bundles = true,
            Some(Ok(bundle)) => {
                reply.bundle = Some(bundle);
                owed.ready.push(reply);
            }
            Some(Err(failure)) => {
                if !is_tried_again(&reply, known, &failure, now) {
                    view.delete(&reply.place.key()?)?;
                }
                let failure = match failure {
                    BundleFailure::Network(error) => OutboxFailure::Network(error),
                    failure => OutboxFailure::Bundle(failure),
                };
                flushed.failed.push(((&reply.place).into(), failure));
            }
        }
    }
    Ok(owed)
}

/// Whether a reply stays owed that there is no bundle for. Only where the network has failed, and where there are few such
/// replies, for a day: whoever writes again is answered again.
fn is_tried_again(reply: &Reply, known: Option<Known>, failure: &BundleFailure, now: Timestamp) -> bool {
    let repaired = known.and_then(|known| known.repaired);
    matches!(failure, BundleFailure::Network(_))
        && !is_answer(&reply.place)
        && repairs::is_recent(repaired, now)
}

/// What a contact says of a device.
#[derive(Clone, Copy)]
struct Known {
    identity: Option<IdentityKey>,
    listed: bool,
    /// When it was last owed a session that it did not ask for.
    repaired: Option<Timestamp>,
}

/// What is known of the device, and whom its session is with.
fn known_device(view: &mut View, reply: &Reply) -> Result<(Option<Known>, Option<IdentityKey>), Stop> {
    let session = peer_of_session(view, &place::session(&reply.jid, &reply.namespace, reply.device)?)?;
    let contact = view.read::<Contact>(&place::contact(&reply.jid)?)?;
    let known = |device: &ContactDevice| Known {
        identity: device.identity,
        listed: device.is_active(&reply.namespace),
        repaired: device.repaired,
    };
    let known = contact.and_then(|contact| contact.device(reply.device).map(known));
    Ok((known, session))
}

/// The bundle to open a session from; `None` if it has to be downloaded first.
fn bundle_for(
    view: &mut View,
    settings: &Settings,
    reply: &Reply,
    known: Option<Known>,
) -> Result<Option<Result<Bundle, BundleFailure>>, Stop> {
    let Some(Known {
        identity,
        listed: true,
        ..
    }) = known
    else {
        return Ok(Some(Err(BundleFailure::Missing)));
    };
    let request = DownloadBundle {
        namespace: reply.namespace.clone(),
        jid: reply.jid.clone(),
        device: reply.device,
    };
    Ok(view
        .bundle(request)
        .map(|answer| usable_bundle(settings, &reply.namespace, answer, reply.device, identity)))
}

/// Encrypts the empty messages that are owed; they leave once their sessions are committed.
pub(super) fn send(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    account: &AccountRecord,
    replies: Vec<Reply>,
    flushed: &mut Flushed,
) -> Result<(), Stop> {
    let mut any = false;
    for reply in replies {
        if is_unanswered(view, &reply)? {
            view.delete(&reply.place.key()?)?;
            continue;
        }
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

/// Whether so much was written in the session without an answer that an empty message would be of no more use.
fn is_unanswered(view: &mut View, reply: &Reply) -> Result<bool, Stop> {
    let session = view.read::<Session>(&place::session(&reply.jid, &reply.namespace, reply.device)?)?;
    let length = session.map(|session| session.sending_chain_length());
    Ok(reply.bundle.is_none() && length >= Some(MAX_UNANSWERED))
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
        (_, Some(bundle)) => {
            identify(view, reply, bundle)?;
            initiate(env, protocol.as_ref(), account, bundle)?
        }
        (Some(session), None) => session,
        (None, None) => return Err(Error::Internal("a reply has neither session nor bundle").into()),
    };
    let (payload, material) = protocol.encrypt_empty(&mut env.rng);
    let sealed = session
        .encrypt(protocol.as_ref(), account.identity.public(), material.as_bytes())
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
            jid: protocol.names_recipients().then(|| jid.clone()),
            keys: [element].into(),
        }]
        .into(),
        payload,
    })
}

/// Records whom the new session is with, in the same commit: everything that is written in it later, and whatever is
/// received, is judged by that key.
fn identify(view: &mut View, reply: &Reply, bundle: &Bundle) -> Result<(), Stop> {
    let key = place::contact(&reply.jid)?;
    let mut contact = view.take::<Contact>(&key)?.unwrap_or_default();
    contact
        .devices
        .entry(reply.device)
        .or_default()
        .correct(bundle.identity_key);
    view.put_changed(&key, contact)
}
