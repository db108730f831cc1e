//! Decrypting a message.

use alloc::vec::Vec;

use super::decrypted::{Content, Decrypted, IncomingMessage};
use super::key_exchange::{self, Origin};
use super::receive::receive;
use super::sender::{check_identity, known_sender, presented_identity, record};
use super::{mark, own_account, within};
use crate::engine::{Env, Stop, View};
use crate::error::DecryptFailure;
use crate::protocol::Protocol;
use crate::ratchet::Session;
use crate::records::{AccountRecord, Contact, MarkPlace, place};
use crate::settings::Settings;
use crate::{EncryptedMessage, Error, KeyElement, MAX_KEY_ELEMENTS};

/// The most bytes a payload may have: 10 MiB.
pub const MAX_PAYLOAD: usize = 10 << 20;

/// How long a device gets no further session that it did not ask for: a day.
const REPAIR_INTERVAL: u64 = 86_400;

pub(super) fn decrypt(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    incoming: &IncomingMessage,
) -> Result<Decrypted, Stop> {
    let IncomingMessage { sender, message } = incoming;
    let namespace = message.namespace.clone();
    let protocol = settings
        .protocol(&namespace)
        .ok_or_else(|| Error::UnknownNamespace(namespace.clone()))?;
    within(
        "a number of key elements",
        message.key_elements(),
        MAX_KEY_ELEMENTS,
    )?;
    within(
        "a payload",
        message
            .payload
            .as_ref()
            .map_or(0, |payload| payload.ciphertext.len()),
        MAX_PAYLOAD,
    )?;
    let origin = Origin {
        jid: sender,
        device: message.sender_device,
        namespace,
    };
    foresee(view, settings, protocol.as_ref(), &origin, message)?;

    let account = own_account(view)?;
    let elements = own_elements(settings, &account, incoming)?;
    let contact = known_sender(view, env, settings, &account, &origin)?;
    let mut first_error = None;
    for element in elements {
        let opened = open_element(
            view,
            env,
            settings,
            protocol.as_ref(),
            &origin,
            contact.clone(),
            message,
            element,
        );
        match opened {
            Err(Stop::Fail(error)) => {
                // Nothing of a failed attempt may stay: neither for the next element nor for what giving up writes.
                view.roll_back();
                env.forget_draws();
                first_error = first_error.or(Some(error));
            }
            outcome => return outcome,
        }
    }
    let error = first_error.unwrap_or(DecryptFailure::NotForUs.into());
    give_up(view, env, &origin, contact, error)
}

/// Asks for everything the message can be foreseen to need, in one load.
fn foresee(
    view: &mut View,
    settings: &Settings,
    protocol: &dyn Protocol,
    origin: &Origin<'_>,
    message: &EncryptedMessage,
) -> Result<(), Stop> {
    view.want(place::account()?);
    view.want(place::contact(origin.jid)?);
    view.want(place::session(origin.jid, &origin.namespace, origin.device)?);
    view.want(MarkPlace::Reply(origin.namespace.clone(), origin.jid.clone(), origin.device).key()?);
    // Which element is ours is not known before the device id is loaded.
    let maybe_ours = message
        .recipients
        .iter()
        .filter(|recipient| recipient.jid.as_ref().is_none_or(|jid| *jid == settings.jid));
    let is_key_exchange = |element: &KeyElement| {
        protocol
            .parse(&element.data)
            .is_ok_and(|incoming| incoming.key_exchange.is_some())
    };
    if maybe_ours
        .flat_map(|recipient| &recipient.keys)
        .any(is_key_exchange)
    {
        key_exchange::want_records(view, origin)?;
    }
    view.settle()
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
    if named && elements.len() > 1 {
        return Err(DecryptFailure::SeveralKeys(elements.len()).into());
    }
    if elements.is_empty() {
        Err(DecryptFailure::NotForUs.into())
    } else {
        Ok(elements)
    }
}

/// Decrypts the message by one key element.
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
) -> Result<Decrypted, Stop> {
    let incoming = protocol.parse(&element.data).map_err(DecryptFailure::Wire)?;
    let identity_key = presented_identity(view, origin, &incoming)?;
    check_identity(settings, origin, &contact, identity_key)?;
    let session_key = place::session(origin.jid, &origin.namespace, origin.device)?;
    let had_session = view
        .read::<Session>(&session_key)?
        .map(|session| session.created());

    let plaintext = receive(view, env, settings, protocol, origin, &incoming)?;
    let material = protocol
        .key_material(plaintext)
        .map_err(DecryptFailure::Payload)?;
    let content = match &message.payload {
        None => {
            protocol
                .without_payload(&material)
                .map_err(DecryptFailure::Payload)?;
            Content::Empty
        }
        Some(payload) => Content::Plaintext(
            protocol
                .decrypt_payload(payload, &material)
                .map_err(DecryptFailure::Payload)?,
        ),
    };

    // Only now is anything that the message carries authentic.
    let sender = record(settings, origin, &mut contact, identity_key)?;
    view.put_changed(&place::contact(origin.jid)?, contact)?;
    let new_session = incoming.key_exchange.is_some() && had_session.is_none();
    let reply = MarkPlace::Reply(origin.namespace.clone(), origin.jid.clone(), origin.device);
    let flush_wanted = view.is_marked(&reply)?;
    Ok(Decrypted {
        content,
        sender,
        namespace: origin.namespace.clone(),
        new_session,
        flush_wanted,
    })
}

/// The message cannot be decrypted. Nothing changes, except that a listed device that writes in a session not known
/// here is sent a new one, at most once a day (XEP-0384, section 6).
fn give_up<T>(
    view: &mut View,
    env: &Env<'_>,
    origin: &Origin<'_>,
    mut contact: Contact,
    error: Error,
) -> Result<T, Stop> {
    let Error::Decrypt(DecryptFailure::NoSession(_)) = error else {
        return Err(Stop::Fail(error));
    };
    let due = |repaired: crate::Timestamp| env.now - repaired >= REPAIR_INTERVAL;
    if let Some(device) = contact.devices.get_mut(&origin.device)
        && device.is_active(&origin.namespace)
        && device.repaired.is_none_or(due)
    {
        device.repaired = Some(env.now);
        mark(
            view,
            &MarkPlace::Reply(origin.namespace.clone(), origin.jid.clone(), origin.device),
        )?;
    }
    view.put_changed(&place::contact(origin.jid)?, contact)?;
    Err(Stop::FailKeeping(error))
}
