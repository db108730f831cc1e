//! The inbox: plaintexts are kept in the commit that uses up their keys, until the application says that it has them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use omemo_storage::{MAX_VALUE, Name};
use sha2::{Digest, Sha256};

use super::decrypted::{Content, IncomingMessage, Received, Sender};
use super::set_trust::meaning;
use crate::engine::{Env, Stop, View};
use crate::error::DecryptFailure;
use crate::protocol::KeyMaterial;
use crate::records::{Contact, InboxIndex, InboxMessage, place};
use crate::settings::Settings;
use crate::trust::Trust;
use crate::{BareJid, Error, MAX_INBOX_MESSAGES, Timestamp};

/// How much room a plaintext leaves in a record for what is kept beside it.
const BESIDE: usize = 8 << 10;

/// Names a message in the inbox: a hash of the message as it was encrypted, so that the same message has the same id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboxId([u8; 32]);

impl InboxId {
    /// Takes the 32 bytes that [`as_bytes`](Self::as_bytes) gave.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, for an application that keeps them with the message.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of a message: over its sender, its payload, and all that may be a key element for this device.
    pub(super) fn of(settings: &Settings, incoming: &IncomingMessage) -> Self {
        let IncomingMessage { sender, message } = incoming;
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        field(sender.as_str().as_bytes());
        field(message.namespace.as_str().as_bytes());
        field(&message.sender_device.get().to_be_bytes());
        for element in message
            .recipients
            .iter()
            .filter(|recipient| recipient.jid.as_ref().is_none_or(|jid| *jid == settings.jid))
            .flat_map(|recipient| &recipient.keys)
        {
            field(&element.device.get().to_be_bytes());
            field(&element.data);
        }
        if let Some(payload) = &message.payload {
            field(payload.iv.as_deref().unwrap_or_default());
            field(&payload.ciphertext);
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Debug for InboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for InboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A message that waits in the inbox.
#[derive(Debug)]
pub struct Pending {
    /// What it is acknowledged by.
    pub id: InboxId,
    /// When it was decrypted.
    pub decrypted: Timestamp,
    /// The message. Its sender is judged by what is known now.
    pub received: Received,
}

/// Asks for what decrypting the message has to look at in the inbox.
pub(super) fn want(view: &mut View, settings: &Settings, incoming: &IncomingMessage) -> Result<(), Stop> {
    if settings.inbox {
        view.want(place::inbox_index()?);
        view.want(place::inbox_message(&InboxId::of(settings, incoming))?);
    }
    Ok(())
}

/// What is kept of the message, if it was decrypted before and not acknowledged since; not if its sender was distrusted
/// meanwhile. If it was not decrypted before, there must be room for it.
pub(super) fn find(
    view: &mut View,
    settings: &Settings,
    incoming: &IncomingMessage,
) -> Result<Option<Received>, Stop> {
    if !settings.inbox {
        return Ok(None);
    }
    let id = InboxId::of(settings, incoming);
    if let Some(kept) = view.read::<InboxMessage>(&place::inbox_message(&id)?)? {
        let contact = view.read::<Contact>(&place::contact(&kept.sender)?)?;
        let received = received(settings, id, &kept, &contact.unwrap_or_default())?;
        return match received.sender.trust {
            Trust::Distrusted => Err(DecryptFailure::SenderDistrusted(kept.identity_key).into()),
            _ => Ok(Some(received)),
        };
    }
    let InboxIndex { messages, bytes, .. } = read_index(view)?;
    if messages >= settings.limits.inbox_messages || bytes >= settings.limits.inbox_bytes {
        return Err(Error::InboxFull { messages, bytes }.into());
    }
    Ok(None)
}

/// Keeps what was just decrypted, unless it is empty.
pub(super) fn keep(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    incoming: &IncomingMessage,
    received: &mut Received,
) -> Result<(), Stop> {
    let plaintext = match &received.content {
        _ if !settings.inbox => return Ok(()),
        Content::Empty => return Ok(()),
        Content::KeyTransport => None,
        Content::Plaintext(plaintext) => Some(plaintext.clone()),
    };
    let length = plaintext.as_ref().map_or(0, |plaintext| plaintext.len());
    super::within("a plaintext for the inbox", length, MAX_VALUE - BESIDE)?;
    let id = InboxId::of(settings, incoming);
    let mut index = read_index(view)?;
    let kept = InboxMessage {
        number: index.next,
        decrypted: env.now,
        sender: received.sender.jid.clone(),
        device: received.sender.device,
        identity_key: received.sender.identity_key,
        namespace: received.namespace.clone(),
        new_session: received.new_session,
        key_material: copy(&received.key_material),
        plaintext,
    };
    index.next = index.next.saturating_add(1);
    index.messages = index.messages.saturating_add(1);
    index.bytes = index.bytes.saturating_add(length as u64);
    view.put(&place::inbox_message(&id)?, kept)?;
    view.put(&place::inbox_index()?, index)?;
    received.inbox = Some(id);
    Ok(())
}

/// All that was not acknowledged, in the order it was decrypted in.
pub(super) fn pending(view: &mut View, settings: &Settings) -> Result<Vec<Pending>, Stop> {
    let partition = Name::new(place::INBOX)?;
    view.want_partition(&partition);
    view.settle()?;
    let mut kept: Vec<(InboxId, Arc<InboxMessage>)> = Vec::new();
    for key in view.items(&partition)? {
        if let Some(id) = place::inbox_id(key.item.as_str())
            && let Some(message) = view.read::<InboxMessage>(&key)?
        {
            kept.push((id, message));
        }
    }
    for (_, message) in &kept {
        view.want(place::contact(&message.sender)?);
    }
    view.settle()?;
    kept.sort_by_key(|(_, message)| message.number);
    kept.into_iter()
        .map(|(id, message)| {
            let contact = view.read::<Contact>(&place::contact(&message.sender)?)?;
            Ok(Pending {
                id,
                decrypted: message.decrypted,
                received: received(settings, id, &message, &contact.unwrap_or_default())?,
            })
        })
        .collect()
}

/// The application has these messages: they are kept no more. Those that are not there are none of its worries.
pub(super) fn acknowledge(view: &mut View, ids: &[InboxId]) -> Result<(), Stop> {
    super::within(
        "a number of acknowledgements",
        ids.len(),
        MAX_INBOX_MESSAGES as usize,
    )?;
    view.want(place::inbox_index()?);
    for id in ids {
        view.want(place::inbox_message(id)?);
    }
    view.settle()?;
    let mut index = read_index(view)?;
    for id in ids {
        let key = place::inbox_message(id)?;
        let Some(message) = view.read::<InboxMessage>(&key)? else {
            continue;
        };
        let length = message.plaintext.as_ref().map_or(0, |plaintext| plaintext.len());
        index.messages = index.messages.saturating_sub(1);
        index.bytes = index.bytes.saturating_sub(length as u64);
        view.delete(&key)?;
    }
    view.put_changed(&place::inbox_index()?, index)
}

fn copy(material: &KeyMaterial) -> KeyMaterial {
    KeyMaterial::new(material.key(), material.tag())
}

fn read_index(view: &mut View) -> Result<InboxIndex, Stop> {
    Ok(*view
        .read::<InboxIndex>(&place::inbox_index()?)?
        .unwrap_or_default())
}

fn received(
    settings: &Settings,
    id: InboxId,
    kept: &InboxMessage,
    contact: &Contact,
) -> Result<Received, Stop> {
    let jid: &BareJid = &kept.sender;
    // The first use of a key is when its message was decrypted. One without a level by now is nobody's decision.
    let level = contact.trust.get(&kept.identity_key.curve25519());
    let trust = level.map_or(Ok(Trust::Undecided), |level| meaning(settings, level))?;
    Ok(Received {
        content: match &kept.plaintext {
            Some(plaintext) => Content::Plaintext(plaintext.clone()),
            None => Content::KeyTransport,
        },
        sender: Sender {
            jid: jid.clone(),
            device: kept.device,
            identity_key: kept.identity_key,
            trust,
            level: level.cloned(),
        },
        namespace: kept.namespace.clone(),
        key_material: copy(&kept.key_material),
        new_session: kept.new_session,
        flush_wanted: false,
        inbox: Some(id),
    })
}
