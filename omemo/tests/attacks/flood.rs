//! So much of everything that something could overflow.

use std::sync::atomic::Ordering;

use omemo::blocking::wait;
use omemo::local::Server;
use omemo::{DeviceId, DeviceList, IncomingMessage};
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, MAX_RECORDS, Storage, Value};
use omemo_storage_memory::MemoryStorage;

use super::clock::{ROMEO, romeo};
use super::common::{Device, jid, open, open_on, settings};
use super::{NS, forged, list, messages, mirror, written};

const EVIL: &str = "evil@example.org";
/// As many as are kept of one account.
const DEVICES: u32 = 200;

/// The ids of as many other devices in each round.
fn devices_of(round: u32) -> std::ops::Range<u32> {
    let first = 1 + round * DEVICES;
    first..first + DEVICES
}

/// A stranger has had new devices in each round. Each was owed an answer before it was forgotten, and none has a bundle.
fn leave_marks(romeo: &Device, rounds: u32) {
    let account = AccountId::new(romeo.jid.as_str()).unwrap();
    for (round, devices) in (0..rounds).map(devices_of).enumerate() {
        let mut batch = Batch::new(CommitId::from_bytes((round as u128).to_be_bytes()));
        for device in devices {
            let mark = Key::new("own", &format!("outbox/reply/{NS}/{EVIL}/{device}")).unwrap();
            batch.put(mark, None, Value::from(vec![1]));
        }
        let committed = wait(romeo.client.storage().commit(&account, &batch)).unwrap();
        assert_eq!(committed, Committed::Applied);
    }
}

/// Each flush deals with some of the marks; in the end all are gone, and nothing was downloaded for devices that are not
/// listed.
#[test]
fn marks_that_can_never_be_met_are_removed() {
    const ROUNDS: u32 = 5;
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    messages(&romeo);
    leave_marks(&romeo, ROUNDS);
    let before = server.seen().bundle_downloads;
    for _ in 0..ROUNDS * DEVICES / 256 + 1 {
        wait(romeo.client.maintain()).unwrap();
    }
    assert_eq!(server.seen().bundle_downloads, before);
    let flushed = romeo.flush();
    assert!(flushed.failed.is_empty() && flushed.postponed == 0, "{flushed:?}");
}

/// Romeo falls off his own list while more marks are in the outbox than a batch may name records: it is published again all
/// the same.
#[test]
fn many_marks_do_not_end_publishing() {
    const ROUNDS: u32 = MAX_RECORDS as u32 / DEVICES + 1;
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    messages(&romeo);
    leave_marks(&romeo, ROUNDS);
    let change = wait(
        romeo
            .client
            .update_device_list(NS, romeo.jid.clone(), DeviceList::default()),
    )
    .unwrap();
    assert!(change.republish);
    let flushed = wait(romeo.client.flush());
    assert!(flushed.is_ok(), "{flushed:?}");
    wait(romeo.client.maintain()).unwrap();
    let published = server.device_list(&romeo.jid, &NS).unwrap();
    assert!(published.devices.contains_key(&romeo.client.device()));
}

/// The server lists other devices of romeo's each time that a message makes him ask.
#[test]
fn the_own_list_does_not_grow_for_ever() {
    let server = Server::new();
    let (romeo, hands) = romeo(&server, settings(jid(ROMEO)));
    for devices in (0..40).map(devices_of) {
        // Lists are asked for once a minute.
        hands.0.fetch_add(61, Ordering::SeqCst);
        server.publish_device_list(&romeo.jid, &NS, list(devices));
        assert!(romeo.decrypt(forged(&romeo, ROMEO, u32::MAX)).is_err());
    }
    let known = wait(romeo.client.device_information(romeo.jid.clone())).unwrap();
    assert!(known.devices.len() <= 201, "{}", known.devices.len());
}

/// A stranger has another device each time, which opens a session.
#[test]
fn forgotten_devices_leave_no_sessions() {
    let server = Server::new();
    let romeo = open_on(&server, ROMEO, "phone", MemoryStorage::new());
    // Each of these devices is another account on a server of its own.
    let strange = Server::new();
    for id in 1..=260 {
        // What romeo offers now: a pre key that was used is not among it.
        mirror(&romeo, &server, &strange);
        let device = open(&strange, &format!("evil{id}@example.org"), "phone");
        let mut message = written(&device, &romeo, "hello").message;
        message.sender_device = DeviceId::new(id);
        wait(romeo.client.update_device_list(NS, jid(EVIL), list([id]))).unwrap();
        let sender = jid(EVIL);
        let _ = romeo.decrypt(IncomingMessage { sender, message }).unwrap();
        romeo.flush();
    }
    let account = AccountId::new(ROMEO).unwrap();
    let page = wait(romeo.client.storage().records(&account, None, 100_000)).unwrap();
    let partition = format!("contact/{EVIL}");
    let records = page.entries.iter().map(|record| &record.key);
    let of_evil = records.filter(|key| key.partition.as_str() == partition).count();
    assert!(of_evil <= 201, "{of_evil}");
}
