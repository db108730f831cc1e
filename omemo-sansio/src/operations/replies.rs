//! The replies that the outbox owes: empty messages that answer a key exchange, move a ratchet on, or open a session.

use alloc::vec::Vec;

use super::flush::{Flushed, OutboxFailure, acknowledge};
use super::key_exchange::{initiate, usable_bundle};
use crate::engine::{DownloadBundle, Env, SendMessage, Stop, View};
use crate::error::{BundleFailure, EncryptFailure};
use crate::ratchet::Session;
use crate::records::{AccountRecord, Contact, MarkPlace, place};
use crate::settings::Settings;
use crate::{BareJid, Bundle, DeviceId, EncryptedMessage, Error, KeyElement, Namespace, RecipientKeys};

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
) -> Result<Option<Result<Bundle, BundleFailure>>, Stop> {
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
