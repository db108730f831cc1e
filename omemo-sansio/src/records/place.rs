//! Where each record lies: its partition and item.

use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;

use omemo_storage::{InvalidName, Key, Name};

use crate::{BareJid, DeviceId, InboxId, Namespace};

/// The partition of what belongs to this device itself.
pub(crate) const OWN: &str = "own";

/// The partition of what waits to be acknowledged: never loaded with anything else.
pub(crate) const INBOX: &str = "inbox";

const CONTACT: &str = "contact/";
const COLD: &str = "cold/";
const PROTOCOL: &str = "protocol/";
const INBOX_MESSAGE: &str = "message/";

pub(crate) fn inbox_index() -> Result<Key, InvalidName> {
    Key::new(INBOX, "index")
}

pub(crate) fn inbox_message(id: &InboxId) -> Result<Key, InvalidName> {
    Key::new(INBOX, &format!("{INBOX_MESSAGE}{id}"))
}

/// The id of a message in the inbox, read from its item; `None` if it is something else.
pub(crate) fn inbox_id(item: &str) -> Option<InboxId> {
    let digits = item.strip_prefix(INBOX_MESSAGE)?;
    let mut id = [0; 32];
    if digits.len() != 2 * id.len() || !digits.is_ascii() {
        return None;
    }
    for (byte, at) in id.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(InboxId::from_bytes(id))
}

/// The protocol whose record this is; `None` if it is something else.
pub(crate) fn protocol_of(key: &Key) -> Option<Namespace> {
    key.item
        .as_str()
        .strip_prefix(PROTOCOL)
        .and_then(Namespace::stored)
}

pub(crate) fn account() -> Result<Key, InvalidName> {
    Key::new(OWN, "account")
}

pub(crate) fn protocol(namespace: &Namespace) -> Result<Key, InvalidName> {
    Key::new(OWN, &format!("{PROTOCOL}{namespace}"))
}

pub(crate) fn pre_keys(namespace: &Namespace) -> Result<Key, InvalidName> {
    Key::new(OWN, &format!("prekeys/{namespace}"))
}

pub(crate) fn catch_up() -> Result<Key, InvalidName> {
    Key::new(OWN, "catchup")
}

pub(crate) fn owed_trust() -> Result<Key, InvalidName> {
    Key::new(OWN, "trust/owed")
}

/// The partition of what is loaded whenever something is sent to `jid`.
pub(crate) fn contact_partition(jid: &BareJid) -> Result<Name, InvalidName> {
    Name::new(&[CONTACT, jid.as_str()].concat())
}

pub(crate) fn contact(jid: &BareJid) -> Result<Key, InvalidName> {
    Ok(Key {
        partition: contact_partition(jid)?,
        item: contact_item()?,
    })
}

/// The item of the record in each of those partitions that says what the account is.
pub(crate) fn contact_item() -> Result<Name, InvalidName> {
    Name::new("contact")
}

pub(crate) fn session(jid: &BareJid, namespace: &Namespace, device: DeviceId) -> Result<Key, InvalidName> {
    Ok(Key {
        partition: contact_partition(jid)?,
        item: Name::new(&session_item(namespace, device))?,
    })
}

/// The item of the session with a device, in the partition of its account.
pub(crate) fn session_item(namespace: &Namespace, device: DeviceId) -> String {
    const KIND: &str = "session/";
    // Of the digits of a device id there are ten at most.
    let mut item = String::with_capacity(KIND.len() + namespace.as_str().len() + 1 + 10);
    item.push_str(KIND);
    item.push_str(namespace.as_str());
    item.push('/');
    // Writing to a string does not fail.
    let _ = write!(item, "{device}");
    item
}

/// The account that a stored record is about, if it is about another account or a device: for those who list what a storage
/// holds.
pub fn contact_of(key: &Key) -> Option<BareJid> {
    [CONTACT, COLD]
        .into_iter()
        .find_map(|kind| key.partition.as_str().strip_prefix(kind))
        .and_then(|jid| BareJid::new(jid).ok())
}

/// Of which device a record is, by the kind that its item begins with; `None` if it is of none, or lies where no record of
/// that kind does.
pub(crate) fn of_device(key: &Key) -> Option<(&str, Namespace, DeviceId)> {
    let (kind, rest) = key.item.as_str().split_once('/')?;
    let lies_in = match kind {
        "session" => CONTACT,
        "skipped" | "archive" => COLD,
        _ => return None,
    };
    if !key.partition.as_str().starts_with(lies_in) {
        return None;
    }
    let (namespace, device) = rest.rsplit_once('/')?;
    Some((
        kind,
        Namespace::stored(namespace)?,
        DeviceId::new(device.parse().ok()?),
    ))
}

/// The partition of what is rarely needed of an account.
pub(crate) fn cold_partition(jid: &BareJid) -> Result<Name, InvalidName> {
    Name::new(&[COLD, jid.as_str()].concat())
}

fn cold(jid: &BareJid, item: &str) -> Result<Key, InvalidName> {
    Ok(Key {
        partition: cold_partition(jid)?,
        item: Name::new(item)?,
    })
}

pub(crate) fn skipped(jid: &BareJid, namespace: &Namespace, device: DeviceId) -> Result<Key, InvalidName> {
    cold(jid, &format!("skipped/{namespace}/{device}"))
}

pub(crate) fn archive(jid: &BareJid, namespace: &Namespace, device: DeviceId) -> Result<Key, InvalidName> {
    cold(jid, &format!("archive/{namespace}/{device}"))
}

pub(crate) fn trust_history(jid: &BareJid) -> Result<Key, InvalidName> {
    cold(jid, "trust")
}
