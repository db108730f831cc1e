//! Device lists, the own one above all.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use omemo::blocking::wait;
use omemo::local::Server;
use omemo::trust::FirstUse;
use omemo::{DeviceId, EncryptFailure, EncryptRequest, Error, IncomingMessage, Namespace, Settings};
use omemo_storage::{AccountId, Storage};
use omemo_storage_memory::MemoryStorage;

use super::clock::{ROMEO, romeo};
use super::common::{self, Device, jid, open, open_with, settings};
use super::{NS, forged, list, messages};

/// The records of one kind that romeo holds of another account.
fn held(romeo: &Device<MemoryStorage>, of: &str, kind: &str) -> usize {
    let account = AccountId::new(ROMEO).unwrap();
    let page = wait(romeo.client.storage().records(&account, None, 100_000)).unwrap();
    let is_of = |partition: &str| partition.split_once('/').is_some_and(|(_, jid)| jid == of);
    let records = page.entries.iter().map(|record| &record.key);
    records
        .filter(|key| is_of(key.partition.as_str()) && key.item.as_str().starts_with(kind))
        .count()
}

/// A message that cannot be read, since there is no session for it or it is none at all, comes from a device that is new on
/// the own list, while this device is missing there: it is put back however the message ends, alone or in a page.
#[test]
fn the_own_device_is_put_back_though_the_message_fails() {
    for (in_a_page, is_garbled) in [(false, false), (true, false), (false, true), (true, true)] {
        let server = Server::new();
        let (romeo, hands) = romeo(&server, settings(jid(ROMEO)));
        hands.0.store(61, Ordering::SeqCst);
        server.publish_device_list(&romeo.jid, &NS, list([7]));
        let mut message = forged(&romeo, ROMEO, 7);
        if is_garbled {
            message.message.recipients[0].keys[0].data.truncate(20);
        }
        if in_a_page {
            let page = wait(romeo.client.decrypt_many(vec![message])).unwrap();
            assert!(page[0].is_err());
        } else {
            assert!(romeo.decrypt(message).is_err());
        }
        romeo.flush();
        let published = server.device_list(&romeo.jid, &NS).unwrap().devices;
        let expected = [DeviceId::new(7), romeo.client.device()];
        assert!(
            expected.iter().all(|id| published.contains_key(id)),
            "{published:?}"
        );
    }
}

/// The server fills the own list up and leaves this device out: what it is called is still published.
#[test]
fn the_own_label_outlasts_a_list_that_is_full_of_others() {
    let server = Server::new();
    let (romeo, _) = romeo(&server, settings(jid(ROMEO)));
    let change = wait(
        romeo
            .client
            .update_device_list(NS, romeo.jid.clone(), list(1..201)),
    )
    .unwrap();
    assert!(change.republish && change.forgotten.is_empty(), "{change:?}");
    romeo.flush();
    let published = server.device_list(&romeo.jid, &NS).unwrap();
    let own = &published.devices[&romeo.client.device()];
    assert_eq!(own.label.as_ref().map(|label| label.text.as_str()), Some("phone"));
}

/// A device is forgotten by a list that came because of a message, which then fails: its session goes all the same.
#[test]
fn a_device_that_a_failed_message_has_forgotten_leaves_no_session() {
    let server = Server::new();
    let (romeo, hands) = romeo(&server, settings(jid(ROMEO)));
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.send(&[&juliet.jid], "hello");
    assert_eq!(held(&romeo, "juliet@capulet.lit", "session/"), 1);
    hands.0.store(61, Ordering::SeqCst);
    server.publish_device_list(&juliet.jid, &NS, list(1..201));
    assert!(romeo.decrypt(forged(&romeo, "juliet@capulet.lit", 7)).is_err());
    assert_eq!(held(&romeo, "juliet@capulet.lit", "session/"), 0);
}

/// A device is forgotten by the first list of another protocol, which sending has asked for: its session goes too.
#[test]
fn a_device_that_sending_has_forgotten_leaves_no_session() {
    const LEGACY: Namespace = Namespace::LEGACY;
    let server = Server::new();
    let (romeo, _) = romeo(&server, Settings::new(jid(ROMEO)));
    let older = Settings {
        protocols: vec![Arc::new(omemo::Legacy)],
        ..Settings::new(jid("juliet@capulet.lit"))
    };
    let juliet = open_with(&server, older, "phone", MemoryStorage::new());
    let request = EncryptRequest::new(vec![romeo.jid.clone()], LEGACY, b"hello".to_vec());
    let message = wait(juliet.client.encrypt(request))
        .unwrap()
        .partial()
        .0
        .messages
        .remove(0);
    let sender = juliet.jid.clone();
    let _ = romeo.decrypt(IncomingMessage { sender, message }).unwrap();
    assert_eq!(held(&romeo, "juliet@capulet.lit", "session/"), 1);
    wait(
        romeo
            .client
            .update_device_list(LEGACY, juliet.jid.clone(), list([])),
    )
    .unwrap();
    let evil = open(&server, "evil@example.org", "phone");
    let bundle = server.bundle(&evil.jid, &NS, evil.client.device()).unwrap();
    server.publish_bundle(&juliet.jid, &NS, DeviceId::new(7), bundle);
    server.publish_device_list(&juliet.jid, &NS, list(1..201));
    assert_eq!(
        romeo.encrypt(&[&juliet.jid], "hello").unwrap().encrypted_to.len(),
        1
    );
    let known = wait(romeo.client.device_information(juliet.jid.clone())).unwrap();
    assert!(
        known
            .devices
            .iter()
            .all(|known| known.device != juliet.client.device())
    );
    assert_eq!(held(&romeo, "juliet@capulet.lit", "session/eu.siacs"), 0);
}

/// Beyond the bound on devices the first one is forgotten, and with it what was trusted blindly. What comes after it is
/// still not the first.
#[test]
fn a_contact_whose_first_devices_were_forgotten_is_not_new() {
    let server = Server::new();
    let settings = Settings {
        trust: Arc::new(FirstUse),
        ..settings(jid("romeo@montague.lit"))
    };
    let romeo = open_with(&server, settings, "phone", MemoryStorage::new());
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.send(&[&juliet.jid], "hello");
    messages(&romeo);
    let push = |list| wait(romeo.client.update_device_list(NS, juliet.jid.clone(), list)).unwrap();
    let change = push(list(1..201));
    assert_eq!(change.forgotten, [juliet.client.device()]);
    // Her server's own device.
    let evil = open(&server, "evil@example.org", "phone");
    let bundle = server.bundle(&evil.jid, &NS, evil.client.device()).unwrap();
    server.publish_bundle(&juliet.jid, &NS, DeviceId::new(7), bundle);
    push(list([7]));
    let refused = romeo.encrypt(&[&juliet.jid], "for juliet only");
    assert!(
        matches!(&refused, Err(Error::Encrypt(EncryptFailure::StillUndecided(keys))) if keys.len() == 1),
        "{refused:?}"
    );
}

/// Many strangers write, whose servers list others of their devices each time: the records of all these devices, none of
/// which there is, do not fit into one commit. A page of their messages is read all the same, and so are those of others.
#[test]
fn lists_that_change_each_time_do_not_burst_a_page() {
    const STRANGERS: u32 = 60;
    let server = Server::new();
    let (romeo, hands) = romeo(&server, settings(jid(ROMEO)));
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    juliet.send(&[&romeo.jid], "hello");
    let honest = messages(&romeo).remove(0);
    for round in 0..2 {
        hands.0.store(u64::from(round) * 61, Ordering::SeqCst);
        let mut page = Vec::new();
        for stranger in 0..STRANGERS {
            let name = format!("stranger{stranger}@example.org");
            let first = 1 + round * 200;
            server.publish_device_list(&jid(&name), &NS, list(first..first + 200));
            page.push(forged(&romeo, &name, first));
        }
        messages_of_lists_are_lost(&romeo);
        if round == 1 {
            page.push(honest.clone());
        }
        let read = wait(romeo.client.decrypt_many(page)).unwrap();
        if round == 1 {
            let last = read.last().unwrap().as_ref().unwrap();
            assert_eq!(common::text(last).as_deref(), Some("hello"));
        }
    }
}

/// Nobody is told of the new lists.
fn messages_of_lists_are_lost(of: &Device<MemoryStorage>) {
    while of.connection.receive().is_some() {}
}
