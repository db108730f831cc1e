//! Records that somebody has put into the storage or taken from it, or that are there no more.

use std::sync::atomic::Ordering;

use omemo::blocking::wait;
use omemo::local::Server;
use omemo::{DecryptFailure, DeviceId, Error};
use omemo_sansio::ratchet::SkippedKeys;
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Query, Record, Storage};
use omemo_storage_memory::MemoryStorage;

use super::clock::{ROMEO, romeo};
use super::common::{Device, jid, open, open_on, settings};
use super::{NS, written};

const JULIET: &str = "juliet@capulet.lit";

/// Romeo with a session with each of juliet's devices, on a storage that a test can write to.
fn with_two_sessions() -> (Device<MemoryStorage>, Device, Device) {
    let server = Server::new();
    let [phone, laptop] = ["phone", "laptop"].map(|name| open(&server, JULIET, name));
    let romeo = open_on(&server, ROMEO, "phone", MemoryStorage::new());
    romeo.send(&[&phone.jid], "hello");
    for device in [&phone, &laptop] {
        device.receive();
        device.flush();
    }
    romeo.receive();
    (romeo, phone, laptop)
}

fn session_key(with: &str, device: DeviceId) -> Key {
    Key::new(&format!("contact/{with}"), &format!("session/{NS}/{device}")).unwrap()
}

/// The record that a device has stored, if it is there.
fn stored(by: &Device<MemoryStorage>, key: &Key) -> Option<Record> {
    let mut query = Query::new();
    query.records.insert(key.clone());
    let account = AccountId::new(by.jid.as_str()).unwrap();
    let mut snapshot = wait(by.client.storage().load(&account, &query)).unwrap();
    snapshot.records.remove(key)
}

/// Replaces what a device has stored there, or takes it away.
fn plant(at: &Device<MemoryStorage>, key: Key, bytes: Option<Vec<u8>>) {
    let revision = stored(at, &key).map(|record| record.revision);
    let mut batch = Batch::new(CommitId::from_bytes([0x5a; 16]));
    match bytes {
        Some(bytes) => batch.put(key, revision, bytes.into()),
        None => batch.delete(key, revision),
    }
    let account = AccountId::new(at.jid.as_str()).unwrap();
    let committed = wait(at.client.storage().commit(&account, &batch)).unwrap();
    assert_eq!(committed, Committed::Applied);
}

/// The bytes of the session with one of juliet's devices.
fn session_with(romeo: &Device<MemoryStorage>, device: &Device) -> Vec<u8> {
    let record = stored(romeo, &session_key(JULIET, device.client.device()));
    record.unwrap().value.as_bytes().to_vec()
}

#[test]
fn a_session_with_another_key_than_the_device_has_is_not_written_in() {
    let (romeo, phone, laptop) = with_two_sessions();
    let of_laptop = session_with(&romeo, &laptop);
    let key = session_key(JULIET, phone.client.device());
    plant(&romeo, key, Some(of_laptop));
    romeo.send(&[&phone.jid], "for the phone");
    assert_eq!(phone.texts(), ["for the phone"]);
}

/// The session with the laptop lies in the archive of the phone. The laptop writes, and says that it is the phone.
#[test]
fn an_archived_session_with_another_key_is_not_tried() {
    let (romeo, phone, laptop) = with_two_sessions();
    let of_laptop = session_with(&romeo, &laptop);
    let skipped = SkippedKeys::default().encode();
    // The version, how many sessions, and until when this one is kept.
    let mut archive = vec![1, 0, 0, 0, 1];
    archive.extend(u64::MAX.to_be_bytes());
    for part in [of_laptop.as_slice(), &skipped] {
        archive.extend((part.len() as u32).to_be_bytes());
        archive.extend(part);
    }
    let item = format!("archive/{NS}/{}", phone.client.device());
    let key = Key::new(&format!("cold/{JULIET}"), &item).unwrap();
    plant(&romeo, key, Some(archive));
    let mut message = written(&laptop, &romeo, "I am the phone");
    message.message.sender_device = phone.client.device();
    let error = romeo.decrypt(message).unwrap_err();
    assert!(
        matches!(error, Error::Decrypt(DecryptFailure::Session(_))),
        "{error}"
    );
}

/// Juliet loses her session and opens another, so that romeo archives his: more than a year later it is gone.
#[test]
fn expired_archived_session_is_gone() {
    let server = Server::new();
    let (romeo, hands) = romeo(&server, settings(jid(ROMEO)));
    let juliet = open_on(&server, JULIET, "phone", MemoryStorage::new());
    let take_in = || {
        let results = romeo.receive();
        results.into_iter().for_each(|result| drop(result.unwrap()));
    };
    take_in();
    juliet.receive();
    juliet.send(&[&romeo.jid], "hi");
    take_in();
    romeo.flush();
    juliet.receive();
    let late = written(&juliet, &romeo, "late");
    let session = session_key(ROMEO, romeo.client.device());
    assert!(stored(&juliet, &session).is_some());
    plant(&juliet, session, None);
    juliet.send(&[&romeo.jid], "anew");
    take_in();
    hands.0.fetch_add(400 * 86_400, Ordering::SeqCst);
    wait(romeo.client.maintain()).unwrap();
    assert!(romeo.decrypt(late).is_err());
}
