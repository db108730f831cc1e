//! The replies that the outbox owes: empty messages that answer a key exchange, move a ratchet on, or open a session.

use alloc::vec::Vec;

use super::flush::{Flushed, OutboxFailure, acknowledge};
use super::key_exchange::{initiate, usable_bundle};
use super::recipients::peer_of_session;
use crate::engine::{DownloadBundle, Env, SendMessage, Stop, View};
use crate::error::{BundleFailure, EncryptFailure};
use crate::keys::IdentityKey;
use crate::ratchet::Session;
use crate::records::{AccountRecord, Contact, ContactDevice, MarkPlace, place};
use crate::settings::Settings;
use crate::{BareJid, Bundle, DeviceId, EncryptedMessage, Error, KeyElement, Namespace, RecipientKeys};

/// The most replies that one flush sends; the others wait for the next.
const MAX_REPLIES: usize = 256;

/// A reply that is owed.
pub(super) struct Reply {
    place: MarkPlace,
    namespace: Namespace,
    jid: BareJid,
    device: DeviceId,
    /// What a session has to be opened from, if there is none.
    bundle: Option<Bundle>,
}

/// Acknowledges the replies that were sent, and gathers what the others need.
pub(super) fn gather(
    view: &mut View,
    settings: &Settings,
    marked: Vec<MarkPlace>,
    flushed: &mut Flushed,
) -> Result<Vec<Reply>, Stop> {
    let mut owed = Vec::new();
    for place in marked {
        if owed.len() == MAX_REPLIES {
            flushed.postponed += 1;
            continue;
        }
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
    make_ready(view, settings, owed, flushed)
}

/// Keeps the replies that have a session, or a bundle to open one from.
fn make_ready(
    view: &mut View,
    settings: &Settings,
    owed: Vec<Reply>,
    flushed: &mut Flushed,
) -> Result<Vec<Reply>, Stop> {
    let mut ready = Vec::new();
    for mut reply in owed {
        let known = known_device(view, &reply)?;
        let session = peer_of_session(view, &place::session(&reply.jid, &reply.namespace, reply.device)?)?;
        if session.is_some_and(|peer| known.is_none_or(|known| known.identity.is_none_or(|key| key == peer)))
        {
            ready.push(reply);
            continue;
        }
        match bundle_for(view, settings, &reply, known)? {
            None => {}
            Some(Ok(bundle)) => {
                reply.bundle = Some(bundle);
                ready.push(reply);
            }
            Some(Err(BundleFailure::Network(error))) => {
                flushed
                    .failed
                    .push(((&reply.place).into(), OutboxFailure::Network(error)));
            }
            Some(Err(failure)) => {
                // Nobody is there to open a session with; whoever writes again is answered again.
                view.delete(&reply.place.key()?)?;
                flushed
                    .failed
                    .push(((&reply.place).into(), OutboxFailure::Bundle(failure)));
            }
        }
    }
    Ok(ready)
}

/// What a contact says of a device.
#[derive(Clone, Copy)]
struct Known {
    identity: Option<IdentityKey>,
    listed: bool,
}

fn known_device(view: &mut View, reply: &Reply) -> Result<Option<Known>, Stop> {
    let contact = view.read::<Contact>(&place::contact(&reply.jid)?)?;
    let known = |device: &ContactDevice| Known {
        identity: device.identity,
        listed: device.is_active(&reply.namespace),
    };
    Ok(contact.and_then(|contact| contact.device(reply.device).map(known)))
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
