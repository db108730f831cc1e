//! Decrypting a message.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::device_list::apply_list;
use super::key_exchange::{self, Origin};
use super::receive::receive;
use super::set_trust::{judge, meaning};
use super::{mark, own_account, within};
use crate::engine::{DownloadDeviceList, Env, Stop, View};
use crate::error::{DecryptFailure, Inconsistency};
use crate::keys::IdentityKey;
use crate::protocol::{Incoming, Protocol};
use crate::ratchet::Session;
use crate::records::{AccountRecord, Contact, MarkPlace, place};
use crate::settings::Settings;
use crate::trust::{Trust, TrustLevel};
use crate::{BareJid, DeviceId, EncryptedMessage, Error, KeyElement, MAX_KEY_ELEMENTS, Namespace};

/// The most bytes a payload may have: 10 MiB.
pub const MAX_PAYLOAD: usize = 10 << 20;

/// How long a device that is not listed causes no further refresh of the contact's device list: a minute.
const REFRESH_INTERVAL: u64 = 60;

/// How long a device gets no further session that it did not ask for: a day.
const REPAIR_INTERVAL: u64 = 86_400;

/// A message that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingMessage {
    /// The account that sent it: the bare JID of `from`, in a group chat the participant's real one.
    pub sender: BareJid,
    /// The message.
    pub message: EncryptedMessage,
}

/// A message that was decrypted.
#[derive(Debug)]
pub struct Decrypted {
    /// What it says.
    pub content: Content,
    /// Who said it.
    pub sender: Sender,
    /// The protocol.
    pub namespace: Namespace,
    /// Whether it opened a new session.
    pub new_session: bool,
    /// Whether something was put in the outbox: flush it soon.
    pub flush_wanted: bool,
}

/// What a message says.
#[derive(PartialEq, Eq)]
pub enum Content {
    /// The plaintext. In OMEMO 2 an SCE envelope (XEP-0420), whose affixes must be checked.
    Plaintext(Zeroizing<Vec<u8>>),
    /// Nothing: the message only moved the session forward.
    Empty,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plaintext(plaintext) => write!(f, "Plaintext({} bytes)", plaintext.len()),
            Self::Empty => f.write_str("Empty"),
        }
    }
}

/// Who sent a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The account.
    pub jid: BareJid,
    /// The device.
    pub device: DeviceId,
    /// The identity key that authenticated the message.
    pub identity_key: IdentityKey,
    /// What the trust policy makes of that key. Never [`Trust::Distrusted`]; what is undecided should be shown so.
    pub trust: Trust,
    /// The level of the key, if it has one.
    pub level: Option<TrustLevel>,
}

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
    let mut contact = known_sender(view, env, settings, &origin)?;
    let mut first_error = None;
    for element in elements {
        match open_element(
            view,
            env,
            settings,
            protocol.as_ref(),
            &origin,
            &mut contact,
            message,
            element,
        ) {
            Ok(decrypted) => {
                view.put_changed(&place::contact(sender)?, contact)?;
                return Ok(decrypted);
            }
            Err(Stop::Fail(error)) => first_error = first_error.or(Some(error)),
            Err(stop) => return Err(stop),
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
    if elements.is_empty() {
        Err(DecryptFailure::NotForUs.into())
    } else {
        Ok(elements)
    }
}

/// What is known of the sender. A device that is not listed causes one refresh of the list, at most once a minute.
fn known_sender(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    origin: &Origin<'_>,
) -> Result<Contact, Stop> {
    let Origin {
        jid,
        device,
        namespace,
    } = origin;
    let key = place::contact(jid)?;
    let mut contact = view.take::<Contact>(&key)?.unwrap_or_default();
    if contact.devices.contains_key(device) {
        return Ok(contact);
    }
    let not_found = || DecryptFailure::SenderNotFound(*device);
    let refreshed = contact.refreshed.get(namespace);
    if refreshed.is_some_and(|at| env.now - *at < REFRESH_INTERVAL) {
        return Err(not_found().into());
    }
    let request = DownloadDeviceList {
        namespace: namespace.clone(),
        jid: (*jid).clone(),
    };
    let Some(answer) = view.device_list(request)? else {
        return Err(Stop::Need);
    };
    let list = answer.map_err(|source| Error::Network {
        what: "the download of the sender's device list",
        source,
    })?;
    let list = list.unwrap_or_default();
    if *jid == &settings.jid {
        // A stale own list must not drop this device; taking it in whole is left to the update that follows.
        for (id, entry) in &list.devices {
            let listed = contact.devices.entry(*id).or_default();
            listed.claim_label(entry.label.clone());
            listed.protocols.insert(namespace.clone(), true);
        }
        contact.refreshed.insert(namespace.clone(), env.now);
    } else {
        apply_list(&mut contact, namespace, &list, env.now);
    }
    if contact.devices.contains_key(device) {
        return Ok(contact);
    }
    view.put_changed(&key, contact)?;
    Err(Stop::FailKeeping(not_found().into()))
}

/// Decrypts the message by one key element.
#[allow(clippy::too_many_arguments, reason = "what is known of the message by now")]
fn open_element(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    protocol: &dyn Protocol,
    origin: &Origin<'_>,
    contact: &mut Contact,
    message: &EncryptedMessage,
    element: &KeyElement,
) -> Result<Decrypted, Stop> {
    let incoming = protocol.parse(&element.data).map_err(DecryptFailure::Wire)?;
    let identity_key = presented_identity(view, origin, &incoming)?;
    check_identity(settings, origin, contact, identity_key)?;
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

    // Only now is anything that the message carries authenticated.
    let device = contact.devices.entry(origin.device).or_default();
    if device.identity.is_none() {
        device.identify(identity_key);
    }
    let (trust, first_level) = judge(settings, origin.jid, &identity_key, &contact.trust)?;
    if let Some(level) = first_level {
        contact.trust.insert(identity_key.curve25519(), level);
    }
    let level = contact.trust.get(&identity_key.curve25519()).cloned();
    let sender = Sender {
        jid: origin.jid.clone(),
        device: origin.device,
        identity_key,
        trust,
        level,
    };
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

/// The identity key the message claims: that of its key exchange, or that of the session.
fn presented_identity(
    view: &mut View,
    origin: &Origin<'_>,
    incoming: &Incoming,
) -> Result<IdentityKey, Stop> {
    if let Some(key_exchange) = &incoming.key_exchange {
        return Ok(key_exchange.identity_key);
    }
    let session = view.read::<Session>(&place::session(origin.jid, &origin.namespace, origin.device)?)?;
    match session {
        Some(session) => Ok(session.peer_identity()),
        None => Err(DecryptFailure::NoSession(origin.device).into()),
    }
}

/// Refuses keys that are distrusted, and keys other than the one the device is known by.
fn check_identity(
    settings: &Settings,
    origin: &Origin<'_>,
    contact: &Contact,
    presented: IdentityKey,
) -> Result<(), Stop> {
    let device = origin.device;
    let known = contact.device(device).and_then(|device| device.identity);
    if let Some(known) = known.filter(|known| *known != presented) {
        return Err(DecryptFailure::from(Box::new(Inconsistency {
            device,
            known,
            presented,
        }))
        .into());
    }
    if let Some(level) = contact.trust.get(&presented.curve25519())
        && meaning(settings, level)? == Trust::Distrusted
    {
        return Err(DecryptFailure::SenderDistrusted(presented).into());
    }
    Ok(())
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
