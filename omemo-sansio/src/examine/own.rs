//! The records of the device itself.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use omemo_storage::{Key, Record};

use super::{Examination, Finding, Problem, namespaces};
use crate::records::{
    AccountRecord, CatchUps, Contact, InboxIndex, InboxMessage, Mark, MarkPlace, OwedTrust, PreKeys,
    ProtocolRecord, Stored, place,
};
use crate::settings::{DAY, PRE_KEY_THRESHOLDS, ROTATION_PERIODS};
use crate::{BareJid, Namespace, Timestamp};

/// The longest rotation period, and as long for a client that was away.
const OLD: u64 = 2 * *ROTATION_PERIODS.end();

/// The least threshold at which pre keys are refilled.
const FEW: usize = *PRE_KEY_THRESHOLDS.start();

/// Examines what is kept of an account itself: its [`own_records`](super::own_records), from one load, or what changes
/// meanwhile looks wrong.
pub fn examine_own(jid: &BareJid, records: &BTreeMap<Key, Record>, now: Timestamp) -> Vec<Finding> {
    let mut examination = Examination::of(records);
    let _ = account(&mut examination, jid);
    for namespace in namespaces(records.keys()) {
        let _ = protocol(&mut examination, &namespace, now);
    }
    for key in records.keys() {
        let partition = key.partition.as_str();
        let known = match partition {
            place::OWN => own(&mut examination, key),
            place::INBOX => inbox(&mut examination, key),
            _ => true,
        };
        if !known {
            examination.find(key, Problem::Unknown);
        }
    }
    let _ = count_inbox(&mut examination);
    examination.findings
}

fn account(examination: &mut Examination<'_>, jid: &BareJid) -> Option<()> {
    let key = place::account().ok()?;
    if !examination.records.contains_key(&key) {
        examination.find(&key, Problem::NoAccount);
        return None;
    }
    let account: AccountRecord = examination.read(&key)?;
    if account.accepting_copy {
        examination.find(&key, Problem::AcceptingCopy);
    }
    if namespaces(examination.records.keys()).is_empty() {
        examination.find(&key, Problem::NoProtocol);
    }
    let contact_key = place::contact(jid).ok()?;
    // One that cannot be read is found with the contact.
    let contact = match examination.records.get(&contact_key) {
        Some(record) => Contact::decode(record.value.as_bytes()).ok()?,
        None => Contact::default(),
    };
    match contact.device(account.device) {
        None => examination.find(&contact_key, Problem::NotAmongOwnDevices),
        Some(device) if device.identity.as_ref() != Some(account.identity.public()) => {
            examination.find(&contact_key, Problem::OtherOwnKey);
        }
        Some(_) => {}
    }
    Some(())
}

fn protocol(examination: &mut Examination<'_>, namespace: &Namespace, now: Timestamp) -> Option<()> {
    let key = place::protocol(namespace).ok()?;
    let record: ProtocolRecord = examination.read(&key)?;
    let age = now - record.signed_pre_key.created;
    if age >= OLD {
        examination.find(&key, Problem::OldSignedPreKey(age / DAY));
    }
    let key = place::pre_keys(namespace).ok()?;
    if !examination.records.contains_key(&key) {
        examination.find(&key, Problem::NoPreKeys);
        return None;
    }
    let pre_keys: PreKeys = examination.read(&key)?;
    let count = pre_keys.visible.len();
    if count < FEW {
        examination.find(&key, Problem::FewPreKeys(count));
    }
    Some(())
}

/// Looks at the records that no other function looks at; tells whether one has such a name.
fn own(examination: &mut Examination<'_>, key: &Key) -> bool {
    let item = key.item.as_str();
    if let Some(namespace) = item.strip_prefix("prekeys/") {
        let Some(namespace) = Namespace::stored(namespace) else {
            return false;
        };
        if place::protocol(&namespace).is_ok_and(|protocol| !examination.records.contains_key(&protocol)) {
            examination.find(key, Problem::NoSignedPreKey);
        }
        return true;
    }
    if item == "account" || place::protocol_of(key).is_some() {
        return true;
    }
    if MarkPlace::parse(item).is_some() {
        examination.read::<Mark>(key);
        return true;
    }
    match item {
        "catchup" => examination.read::<CatchUps>(key).map(drop),
        "trust/owed" => examination.read::<OwedTrust>(key).map(drop),
        _ => return false,
    };
    true
}

fn inbox(examination: &mut Examination<'_>, key: &Key) -> bool {
    if place::inbox_id(key.item.as_str()).is_some() {
        examination.read::<InboxMessage>(key);
        return true;
    }
    key.item.as_str() == "index"
}

fn count_inbox(examination: &mut Examination<'_>) -> Option<()> {
    let messages =
        |key: &&Key| key.partition.as_str() == place::INBOX && place::inbox_id(key.item.as_str()).is_some();
    let there = examination.records.keys().filter(messages).count();
    let there = u32::try_from(there).unwrap_or(u32::MAX);
    let key = place::inbox_index().ok()?;
    let counted = match examination.records.contains_key(&key) {
        true => examination.read::<InboxIndex>(&key)?.messages,
        false => 0,
    };
    if counted != there {
        examination.find(&key, Problem::InboxMiscounted { counted, there });
    }
    Some(())
}
