//! Decrypting a message.

use alloc::vec::Vec;

use super::decrypted::{Content, Decrypted, IncomingMessage, Received};
use super::key_exchange::{self, Origin};
use super::receive::{Carried, receive};
use super::sender::{KnownSender, check_identity, known_sender, presented_identity, record};
use super::{inbox, own_account, repairs, within};
use crate::engine::{Env, Stop, View};
use crate::error::DecryptFailure;
use crate::protocol::{KeyMaterial, PayloadError, Protocol, WithoutPayload};
use crate::ratchet::Session;
use crate::records::{AccountRecord, Contact, MarkPlace, place};
use crate::settings::Settings;
use crate::{EncryptedMessage, Error, KeyElement, MAX_KEY_ELEMENTS};

/// The most bytes that encrypting adds to a plaintext: padding, or a tag.
const ADDED: usize = 16;

/// The most key elements with this device's id that are tried: two accounts may have drawn the same, rarely more.
const MAX_OWN_ELEMENTS: usize = 8;

/// The most key elements that are read before it is known which are for this device.
const MAX_FORESEEN: usize = 32;

pub(super) fn decrypt(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    incoming: &IncomingMessage,
) -> Result<Decrypted, Stop> {
    let message = &incoming.message;
    let namespace = message.namespace.clone();
    let protocol = settings
        .protocol(&namespace)
        .ok_or_else(|| Error::UnknownNamespace(namespace.clone()))?;
    check(settings, message)?;
    let origin = origin(incoming);
    want_records(view, settings, incoming)?;
    view.settle()?;

    let account = own_account(view)?;
    let elements = own_elements(settings, &account, incoming)?;
    if elements.is_empty() {
        return Ok(Decrypted::NotForUs);
    }
    if let Some(kept) = inbox::find(view, settings, incoming)? {
        return Ok(kept.into());
    }
    let known = known_sender(view, env, settings, &account, &origin)?;
    let mut first_error = None;
    let mut repeated = false;
    for element in elements {
        let opened = open_element(
            view,
            env,
            settings,
            protocol.as_ref(),
            &origin,
            known.contact.clone(),
            message,
            element,
        );
        match opened {
            Ok(Some(mut received)) => {
                inbox::keep(view, env, settings, incoming, &mut received)?;
                return Ok(received.into());
            }
            Ok(None) => repeated = true,
            Err(Stop::Fail(error)) => first_error = first_error.or(Some(error)),
            Err(stop) => return Err(stop),
        }
        // Nothing of a failed attempt may stay: neither for the next element nor for what giving up writes.
        view.roll_back();
        env.forget_draws();
        known.put(view, settings, &origin)?;
    }
    match first_error {
        Some(error) if !repeated => give_up(view, env, &origin, known, error),
        _ => Ok(Decrypted::AlreadyDecrypted),
    }
}

/// Whether it is no more than is looked at.
fn check(settings: &Settings, message: &EncryptedMessage) -> Result<(), Stop> {
    within(
        "a number of key elements",
        message.key_elements(),
        MAX_KEY_ELEMENTS,
    )?;
    let payload = message.payload.as_ref();
    within(
        "a payload",
        payload.map_or(0, |payload| payload.ciphertext.len()),
        settings.limits.payload.saturating_add(ADDED),
    )
}

/// Where a message comes from.
pub(super) fn origin(incoming: &IncomingMessage) -> Origin<'_> {
    Origin {
        jid: &incoming.sender,
        device: incoming.message.sender_device,
        namespace: incoming.message.namespace.clone(),
    }
}

/// Asks for everything the message can be foreseen to need.
pub(super) fn want_records(
    view: &mut View,
    settings: &Settings,
    incoming: &IncomingMessage,
) -> Result<(), Stop> {
    let message = &incoming.message;
    let origin = origin(incoming);
    let Some(protocol) = settings.protocol(&origin.namespace) else {
        return Ok(());
    };
    view.want(place::account()?);
    inbox::want(view, settings, incoming)?;
    view.want(place::contact(origin.jid)?);
    view.want(place::session(origin.jid, &origin.namespace, origin.device)?);
    view.want(MarkPlace::Reply(origin.namespace.clone(), origin.jid.clone(), origin.device).key()?);
    // Which element is ours is not known before the device id is loaded.
    let maybe_ours = message
        .recipients
        .iter()
        .filter(|recipient| recipient.jid.as_ref().is_none_or(|jid| *jid == settings.jid));
    let mut maybe_ours = maybe_ours.flat_map(|recipient| &recipient.keys);
    let is_key_exchange = |element: &KeyElement| {
        protocol
            .parse(&element.data)
            .is_ok_and(|incoming| incoming.key_exchange.is_some())
    };
    // The bytes decide. They are looked at if there is no mark, and not at all of them: what is not foreseen costs a load.
    if maybe_ours.clone().any(|element| element.key_exchange)
        || maybe_ours.by_ref().take(MAX_FORESEEN).any(is_key_exchange)
    {
        key_exchange::want_records(view, &origin)?;
    }
    Ok(())
}

/// The key elements for this device. More than one only where the protocol does not name the account.
fn own_elements<'a>(
    settings: &Settings,
    account: &AccountRecord,
    incoming: &'a IncomingMessage,
) -> Result<Vec<&'a KeyElement>, Stop> {
    let message = &incoming.message;
    if incoming.sender == settings.jid && message.sender_device == account.device {
        return Err(DecryptFailure::OwnMessage.into());
    }
    let elements: Vec<_> = message
        .recipients
        .iter()
        .filter(|recipient| recipient.jid.as_ref().is_none_or(|jid| *jid == settings.jid))
        .flat_map(|recipient| &recipient.keys)
        .filter(|element| element.device == account.device)
        .collect();
    let named = message.recipients.iter().any(|recipient| recipient.jid.is_some());
    let most = if named { 1 } else { MAX_OWN_ELEMENTS };
    if elements.len() > most {
        return Err(DecryptFailure::SeveralKeys(elements.len()).into());
    }
    Ok(elements)
}

/// Decrypts the message by one key element; `None` if it was decrypted before.
#[allow(clippy::too_many_arguments, reason = "what is known of the message by now")]
fn open_element(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    protocol: &dyn Protocol,
    origin: &Origin<'_>,
    mut contact: Contact,
    message: &EncryptedMessage,
    element: &KeyElement,
) -> Result<Option<Received>, Stop> {
    let incoming = protocol.parse(&element.data).map_err(DecryptFailure::Wire)?;
    let identity_key = presented_identity(view, origin, &incoming)?;
    check_identity(settings, origin, &contact, identity_key)?;
    let Some(Carried {
        plaintext,
        new_session,
    }) = receive(view, env, settings, protocol, origin, &incoming)?
    else {
        return Ok(None);
    };
    let key_material = protocol
        .key_material(plaintext)
        .map_err(DecryptFailure::Payload)?;
    let content = content(protocol, message, &key_material).map_err(DecryptFailure::Payload)?;

    // Only now is anything that the message carries authentic.
    let sender = record(env, settings, origin, &mut contact, identity_key)?;
    if incoming.key_exchange.is_some() && protocol.presents_ed25519() {
        contact
            .devices
            .entry(origin.device)
            .or_default()
            .correct(identity_key);
    }
    view.put_changed(&place::contact(origin.jid)?, contact)?;
    let reply = MarkPlace::Reply(origin.namespace.clone(), origin.jid.clone(), origin.device);
    let flush_wanted = view.is_marked(&reply)?;
    Ok(Some(Received {
        content,
        sender,
        namespace: origin.namespace.clone(),
        key_material,
        new_session,
        flush_wanted,
        inbox: None,
    }))
}

/// What the message says, by the key material that its session carried.
fn content(
    protocol: &dyn Protocol,
    message: &EncryptedMessage,
    key_material: &KeyMaterial,
) -> Result<Content, PayloadError> {
    Ok(match message.content() {
        Some(payload) => Content::Plaintext(protocol.decrypt_payload(payload, key_material)?),
        None => match protocol.without_payload(key_material)? {
            WithoutPayload::Empty => Content::Empty,
            WithoutPayload::KeyTransport => Content::KeyTransport,
        },
    })
}

/// Whether the device writes in a session that there is not, or opens one by keys that are gone, or so long ago that its
/// beginning is out of reach. (What is merely not authentic says nothing of any session.)
fn lacks_session(view: &mut View, origin: &Origin<'_>, failure: &DecryptFailure) -> Result<bool, Stop> {
    Ok(match failure {
        DecryptFailure::NoSession(_)
        | DecryptFailure::PreKeyGone(_)
        | DecryptFailure::SignedPreKeyGone(_) => true,
        DecryptFailure::TooManySkippedMessageKeys { .. } => {
            let session = place::session(origin.jid, &origin.namespace, origin.device)?;
            view.read::<Session>(&session)?.is_none()
        }
        _ => false,
    })
}

/// The message cannot be decrypted. Nothing changes, except that a device list that came because of it is kept, and that a
/// listed device that writes in a session not known here, or opens one that is out of reach, is owed a new one (XEP-0384,
/// section 6).
fn give_up<T>(
    view: &mut View,
    env: &mut Env<'_>,
    origin: &Origin<'_>,
    known: KnownSender,
    error: Error,
) -> Result<T, Stop> {
    // A record that is damaged, for one: nothing is written on such ground.
    let Error::Decrypt(failure) = &error else {
        return Err(Stop::Fail(error));
    };
    if !lacks_session(view, origin, failure)? {
        return Err(Stop::FailKeeping(error));
    }
    let mut contact = known.contact;
    repairs::owe(view, env, origin, &mut contact)?;
    view.put_changed(&place::contact(origin.jid)?, contact)?;
    Err(Stop::FailKeeping(error))
}
