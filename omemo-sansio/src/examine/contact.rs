//! The records of one contact.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use omemo_storage::{Key, Record};

use super::{Examination, Finding, Problem};
use crate::ratchet::{Session, SkippedKeys};
use crate::records::{Archive, Contact, TrustHistory, place};
use crate::{BareJid, DeviceId, Namespace};

/// Examines what is kept of a contact, the own account included: its [`contact_records`](super::contact_records), from one
/// load.
pub fn examine_contact(jid: &BareJid, records: &BTreeMap<Key, Record>) -> Vec<Finding> {
    let mut examination = Examination::of(records);
    let contact_key = place::contact(jid).ok();
    let contact: Option<Contact> = contact_key.as_ref().and_then(|key| examination.read(key));
    let history_key = place::trust_history(jid).ok();
    let is_missing = contact_key.as_ref().is_some_and(|key| !records.contains_key(key));
    for key in records.keys() {
        let known = match place::of_device(key) {
            Some(("session", namespace, device)) => {
                session(&mut examination, jid, key, (&namespace, device), contact.as_ref());
                if is_missing {
                    examination.find(key, Problem::NoContact);
                }
                true
            }
            Some(("skipped", namespace, device)) => {
                skipped(&mut examination, jid, key, (&namespace, device));
                true
            }
            Some(("archive", ..)) => {
                examination.read::<Archive>(key);
                true
            }
            _ if Some(key) == history_key.as_ref() => {
                examination.read::<TrustHistory>(key);
                true
            }
            _ => Some(key) == contact_key.as_ref(),
        };
        if !known {
            examination.find(key, Problem::Unknown);
        }
    }
    examination.findings
}

fn session(
    examination: &mut Examination<'_>,
    jid: &BareJid,
    key: &Key,
    (namespace, device): (&Namespace, DeviceId),
    contact: Option<&Contact>,
) {
    let Some(session) = examination.read::<Session>(key) else {
        return;
    };
    if let Some(contact) = contact {
        match contact.device(device) {
            None => examination.find(key, Problem::UnknownDevice),
            Some(device)
                if device
                    .identity
                    .is_some_and(|known| known != session.peer_identity()) =>
            {
                examination.find(key, Problem::OtherKey);
            }
            Some(_) => {}
        }
    }
    let kept = match place::skipped(jid, namespace, device) {
        Ok(key) => match examination.records.get(&key) {
            // What cannot be read is found there.
            Some(record) => SkippedKeys::decode(record.value.as_bytes())
                .ok()
                .map(|kept| kept.len()),
            None => Some(0),
        },
        Err(_) => None,
    };
    let counted = session.skipped_len();
    if let Some(kept) = kept.and_then(|kept| u32::try_from(kept).ok())
        && kept != counted
    {
        examination.find(key, Problem::SkippedKeysMiscounted { counted, kept });
    }
}

fn skipped(
    examination: &mut Examination<'_>,
    jid: &BareJid,
    key: &Key,
    (namespace, device): (&Namespace, DeviceId),
) {
    examination.read::<SkippedKeys>(key);
    if place::session(jid, namespace, device).is_ok_and(|session| !examination.records.contains_key(&session))
    {
        examination.find(key, Problem::SkippedKeysAlone);
    }
}
