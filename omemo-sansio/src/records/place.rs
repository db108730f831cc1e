//! Where each record lies: its partition and item.

use alloc::format;

use omemo_storage::{InvalidName, Key, Name};

use crate::{BareJid, DeviceId, Namespace};

/// The partition of what belongs to this device itself.
pub(crate) const OWN: &str = "own";

pub(crate) fn account() -> Result<Key, InvalidName> {
    Key::new(OWN, "account")
}

pub(crate) fn protocol(namespace: &Namespace) -> Result<Key, InvalidName> {
    Key::new(OWN, &format!("protocol/{namespace}"))
}

pub(crate) fn pre_keys(namespace: &Namespace) -> Result<Key, InvalidName> {
    Key::new(OWN, &format!("prekeys/{namespace}"))
}

pub(crate) fn catch_up() -> Result<Key, InvalidName> {
    Key::new(OWN, "catchup")
}

/// The partition of what is loaded whenever something is sent to `jid`.
pub(crate) fn contact_partition(jid: &BareJid) -> Result<Name, InvalidName> {
    Name::new(&["contact/", jid.as_str()].concat())
}

pub(crate) fn contact(jid: &BareJid) -> Result<Key, InvalidName> {
    Ok(Key {
        partition: contact_partition(jid)?,
        item: Name::new("contact")?,
    })
}

pub(crate) fn session(jid: &BareJid, namespace: &Namespace, device: DeviceId) -> Result<Key, InvalidName> {
    session_in(&contact_partition(jid)?, namespace, device)
}

/// The session with a device of the account whose partition is known already.
pub(crate) fn session_in(
    partition: &Name,
    namespace: &Namespace,
    device: DeviceId,
) -> Result<Key, InvalidName> {
    Ok(Key {
        partition: partition.clone(),
        item: Name::new(&format!("session/{namespace}/{device}"))?,
    })
}

fn cold(jid: &BareJid, item: &str) -> Result<Key, InvalidName> {
    Key::new(&format!("cold/{jid}"), item)
}

pub(crate) fn skipped(jid: &BareJid, namespace: &Namespace, device: DeviceId) -> Result<Key, InvalidName> {
    cold(jid, &format!("skipped/{namespace}/{device}"))
}

pub(crate) fn archive(jid: &BareJid, namespace: &Namespace, device: DeviceId) -> Result<Key, InvalidName> {
    cold(jid, &format!("archive/{namespace}/{device}"))
}
