//! What each operation costs the storage, as counts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::sync::Arc;

use common::{Device, is_repeated, jid, open_with, settle, text, texts};
use omemo::blocking::wait;
use omemo::local::{Delivery, Server};
use omemo::{
    BareJid, DeviceAddress, EncryptRequest, IncomingMessage, Legacy, Namespace, Omemo2, Outgoing, Protocol,
    Settings,
};
use omemo_storage::{AccountId, Counts, Metered, Storage};
use omemo_storage_memory::MemoryStorage;

const BOTH: [Namespace; 2] = [Namespace::OMEMO_2, Namespace::LEGACY];

/// A device with every protocol loaded, as by default.
fn open(server: &Server, of: &str, name: &str) -> Device {
    let storage = Arc::new(Metered::new(MemoryStorage::new()));
    open_with(server, Settings::new(jid(of)), name, storage)
}

/// A device that speaks one protocol alone.
fn open_speaking(server: &Server, of: &str, protocol: Arc<dyn Protocol>) -> Device {
    let settings = Settings {
        protocols: vec![protocol],
        ..Settings::new(jid(of))
    };
    let storage = Arc::new(Metered::new(MemoryStorage::new()));
    open_with(server, settings, "phone", storage)
}

/// Sends a text in these protocols: to each device in the first of them that it speaks.
fn send_in(namespaces: &[Namespace], from: &Device, to: &[&BareJid], text: &str) -> Outgoing {
    let to: Vec<BareJid> = to.iter().map(|jid| (*jid).clone()).collect();
    let mut request = EncryptRequest::new(to.clone(), Namespace::OMEMO_2, Vec::new());
    let plaintexts = namespaces.iter();
    request.plaintexts = plaintexts
        .map(|namespace| (namespace.clone(), text.as_bytes().to_vec().into()))
        .collect();
    let outgoing = wait(from.client.encrypt(request)).unwrap().complete().unwrap();
    for message in &outgoing.messages {
        from.connection.send(&to, message);
    }
    outgoing
}

fn loads_and_commits(counts: Counts) -> (u64, u64) {
    (counts.loads, counts.commits)
}

/// Two devices that have exchanged messages both ways.
fn acquainted(server: &Server) -> (Device, Device) {
    acquainted_in(server, &Namespace::OMEMO_2)
}

/// The same, in one of the protocols that they speak.
fn acquainted_in(server: &Server, namespace: &Namespace) -> (Device, Device) {
    let romeo = open(server, "romeo@montague.lit", "phone");
    let juliet = open(server, "juliet@capulet.lit", "phone");
    let only = std::slice::from_ref(namespace);
    send_in(only, &romeo, &[&juliet.jid], "first");
    settle(&[&romeo, &juliet]);
    send_in(only, &juliet, &[&romeo.jid], "second");
    settle(&[&romeo, &juliet]);
    romeo.counts();
    juliet.counts();
    (romeo, juliet)
}

fn next_message(device: &Device) -> IncomingMessage {
    loop {
        if let Delivery::Message(message) = device.connection.receive().unwrap() {
            return message;
        }
    }
}

#[test]
fn encrypting_in_order_is_one_load_and_one_commit_to_any_number_of_devices() {
    for (count, bytes_a_device) in [(1, 512), (10, 512), (100, 512), (1_000, 512)] {
        let server = Server::new();
        let romeo = open(&server, "romeo@montague.lit", "phone");
        let contacts: Vec<Device> = (0..count)
            .map(|n| open(&server, &format!("contact{n}@capulet.lit"), "phone"))
            .collect();
        let to: Vec<&BareJid> = contacts.iter().map(|contact| &contact.jid).collect();
        romeo.send(&to, "first");
        romeo.counts();
        let encrypted = romeo.send(&to, "second");
        assert_eq!(encrypted.encrypted_to.len(), count);
        let counts = romeo.counts();
        assert_eq!(loads_and_commits(counts), (1, 1), "{count} devices");
        assert_eq!(counts.records_written, count as u64);
        assert!(
            counts.bytes_written <= bytes_a_device * count as u64,
            "{counts:?}"
        );
    }
}

#[test]
fn encrypting_in_both_protocols_at_once_is_one_load_and_one_commit() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let speaks = |n: usize| -> Arc<dyn Protocol> {
        match n % 2 {
            0 => Arc::new(Omemo2),
            _ => Arc::new(Legacy),
        }
    };
    let contacts: Vec<Device> = (0..100)
        .map(|n| open_speaking(&server, &format!("contact{n}@capulet.lit"), speaks(n)))
        .collect();
    let to: Vec<&BareJid> = contacts.iter().map(|contact| &contact.jid).collect();
    romeo.counts();
    for text in ["first", "second"] {
        let encrypted = send_in(&BOTH, &romeo, &to, text);
        let written: Vec<_> = encrypted
            .messages
            .iter()
            .map(|message| (message.namespace.clone(), message.key_elements()))
            .collect();
        assert_eq!(written, BOTH.map(|namespace| (namespace, 50)));
        let counts = romeo.counts();
        assert_eq!(loads_and_commits(counts), (1, 1), "{text}");
        if text == "second" {
            assert_eq!(counts.records_written, 100);
            assert!(counts.bytes_written <= 100 * 512, "{counts:?}");
        }
    }
}

#[test]
fn first_contact_is_one_load_and_one_commit() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.counts();
    romeo.send(&[&juliet.jid], "first");
    assert_eq!(loads_and_commits(romeo.counts()), (1, 1));
}

#[test]
fn decrypting_in_order_is_one_load_and_one_commit() {
    let server = Server::new();
    let (romeo, juliet) = acquainted(&server);
    romeo.send(&[&juliet.jid], "a new chain");
    romeo.send(&[&juliet.jid], "the same chain");
    for expected in ["a new chain", "the same chain"] {
        let decrypted = juliet.decrypt(next_message(&juliet)).unwrap();
        assert_eq!(text(&decrypted).unwrap(), expected);
        let counts = juliet.counts();
        assert_eq!(loads_and_commits(counts), (1, 1));
        assert_eq!(counts.records_written, 1);
        assert!(counts.bytes_written <= 512, "{counts:?}");
    }
}

#[test]
fn a_key_exchange_is_one_load_and_one_commit() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    settle(&[&romeo, &juliet]);
    romeo.send(&[&juliet.jid], "first");
    juliet.counts();
    let _ = juliet.decrypt(next_message(&juliet)).unwrap();
    assert_eq!(loads_and_commits(juliet.counts()), (1, 1));
    // The reply and the bundle: the sessions are committed before the message leaves, the marks go afterwards.
    juliet.flush();
    assert_eq!(loads_and_commits(juliet.counts()), (3, 2));
    romeo.counts();
    let _ = romeo.decrypt(next_message(&romeo)).unwrap();
    assert_eq!(loads_and_commits(romeo.counts()), (1, 1));
}

#[test]
fn a_key_exchange_that_is_not_marked_as_one_costs_no_more() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    settle(&[&romeo, &juliet]);
    romeo.send(&[&juliet.jid], "first");
    let mut message = next_message(&juliet);
    message.message.recipients[0].keys[0].key_exchange = false;
    juliet.counts();
    let _ = juliet.decrypt(message).unwrap();
    assert_eq!(loads_and_commits(juliet.counts()), (1, 1));
}

#[test]
fn a_late_message_is_two_loads_and_one_commit() {
    let server = Server::new();
    let (romeo, juliet) = acquainted(&server);
    for n in 0..3 {
        romeo.send(&[&juliet.jid], &n.to_string());
    }
    let [first, second, third] = std::array::from_fn(|_| next_message(&juliet));
    juliet.counts();
    for (message, costs) in [(third, (2, 1)), (first, (2, 1)), (second, (2, 1))] {
        let _ = juliet.decrypt(message).unwrap();
        assert_eq!(loads_and_commits(juliet.counts()), costs);
    }
}

#[test]
fn a_thousand_skipped_keys_burden_no_message_in_order() {
    let server = Server::new();
    let (romeo, juliet) = acquainted(&server);
    for n in 0..=1_000 {
        romeo.send(&[&juliet.jid], &n.to_string());
    }
    let mut messages: Vec<_> = (0..=1_000).map(|_| next_message(&juliet)).collect();
    let _ = juliet.decrypt(messages.pop().unwrap()).unwrap();
    juliet.counts();
    romeo.send(&[&juliet.jid], "in order");
    let decrypted = juliet.decrypt(next_message(&juliet)).unwrap();
    assert_eq!(text(&decrypted).unwrap(), "in order");
    let counts = juliet.counts();
    assert_eq!(loads_and_commits(counts), (1, 1));
    assert!(counts.bytes_written <= 1024, "{counts:?}");
    // The skipped ones are all still readable.
    for message in messages {
        let _ = juliet.decrypt(message).unwrap();
    }
}

fn has_archive(device: &Device, namespace: &Namespace) -> bool {
    let account = AccountId::new(device.jid.as_str()).unwrap();
    let records = wait(device.client.storage().records(&account, None, 1_000)).unwrap();
    let mut names = records.entries.iter().map(|entry| entry.key.item.as_str());
    names.any(|name| name.starts_with(&format!("archive/{namespace}/")))
}

/// What is written in order costs both sides what it costs without an archive, in a chain that goes on and in a new one.
fn an_archive_burdens_neither(namespace: &Namespace, one: &Device, other: &Device) {
    assert!(has_archive(one, namespace) && has_archive(other, namespace));
    for (from, to) in [(one, other), (other, one), (one, other)] {
        for text in ["a new chain", "the same chain"] {
            from.counts();
            send_in(std::slice::from_ref(namespace), from, &[&to.jid], text);
            let sent = from.counts();
            to.counts();
            let decrypted = to.decrypt(next_message(to)).unwrap();
            assert_eq!(common::text(&decrypted).unwrap(), text);
            for counts in [sent, to.counts()] {
                assert_eq!(loads_and_commits(counts), (1, 1), "{namespace}: {text}");
                assert_eq!(counts.records_written, 1, "{namespace}: {text}");
                assert!(counts.bytes_written <= 512, "{namespace}: {text}: {counts:?}");
            }
        }
    }
}

#[test]
fn sessions_that_were_replaced_burden_no_message_in_order() {
    for namespace in BOTH {
        let server = Server::new();
        let (romeo, juliet) = acquainted_in(&server, &namespace);
        for _ in 0..3 {
            let address = DeviceAddress {
                jid: juliet.jid.clone(),
                device: juliet.client.device(),
            };
            let replaced = wait(romeo.client.replace_sessions(address)).unwrap();
            assert!(replaced.keys().eq([&namespace]), "{replaced:?}");
            assert!(replaced.values().all(Result::is_ok), "{replaced:?}");
            settle(&[&romeo, &juliet]);
        }
        an_archive_burdens_neither(&namespace, &romeo, &juliet);
    }
}

#[test]
fn sessions_that_both_sides_have_opened_burden_no_message_in_order() {
    for namespace in BOTH {
        let server = Server::new();
        let romeo = open(&server, "romeo@montague.lit", "phone");
        let juliet = open(&server, "juliet@capulet.lit", "phone");
        let only = std::slice::from_ref(&namespace);
        send_in(only, &romeo, &[&juliet.jid], "at once");
        send_in(only, &juliet, &[&romeo.jid], "at once");
        settle(&[&romeo, &juliet]);
        an_archive_burdens_neither(&namespace, &romeo, &juliet);
    }
}

#[test]
fn a_message_in_an_archived_session_is_two_loads_and_one_commit() {
    for namespace in BOTH {
        let server = Server::new();
        let (romeo, juliet) = acquainted_in(&server, &namespace);
        let only = std::slice::from_ref(&namespace);
        send_in(only, &romeo, &[&juliet.jid], "in order");
        send_in(only, &romeo, &[&juliet.jid], "in order again");
        let late = [next_message(&juliet), next_message(&juliet)];
        let address = DeviceAddress {
            jid: romeo.jid.clone(),
            device: romeo.client.device(),
        };
        wait(juliet.client.replace_sessions(address)).unwrap();
        // The archived session becomes the live one, and that the archived one; then the message is in order.
        for (message, costs) in late.into_iter().zip([(2, 1, 2), (1, 1, 1)]) {
            juliet.counts();
            let _ = juliet.decrypt(message).unwrap();
            let counts = juliet.counts();
            let counted = (counts.loads, counts.commits, counts.records_written);
            assert_eq!(counted, costs, "{namespace}");
        }
    }
}

/// Messages in order, and key exchanges of people whose device lists were never seen.
#[test]
fn a_page_in_both_protocols_is_one_load_and_one_commit() {
    let server = Server::new();
    let (romeo, juliet) = acquainted(&server);
    // Some may have chosen the same pre key.
    let catch_up = wait(juliet.client.begin_catch_up()).unwrap();
    for (n, namespace) in BOTH.iter().cycle().take(6).enumerate() {
        let only = std::slice::from_ref(namespace);
        send_in(only, &romeo, &[&juliet.jid], "from a friend");
        let stranger = open(&server, &format!("stranger{n}@verona.lit"), "phone");
        send_in(only, &stranger, &[&juliet.jid], "from a stranger");
    }
    let page: Vec<_> = (0..12).map(|_| next_message(&juliet)).collect();
    for namespace in &BOTH {
        let of_it = page
            .iter()
            .filter(|message| message.message.namespace == *namespace);
        assert_eq!(of_it.count(), 6);
    }
    juliet.counts();
    let outcomes = wait(juliet.client.decrypt_many(page)).unwrap();
    assert_eq!(loads_and_commits(juliet.counts()), (1, 1));
    assert_eq!(texts(&outcomes), ["from a friend", "from a stranger"].repeat(6));
    wait(juliet.client.end_catch_up(&catch_up)).unwrap();
}

#[test]
fn a_repeated_message_writes_nothing() {
    let server = Server::new();
    let (romeo, juliet) = acquainted(&server);
    romeo.send(&[&juliet.jid], "once");
    let message = next_message(&juliet);
    let _ = juliet.decrypt(message.clone()).unwrap();
    juliet.counts();
    assert!(is_repeated(&juliet.decrypt(message)));
    let counts = juliet.counts();
    assert_eq!((counts.loads, counts.commits, counts.records_written), (1, 0, 0));
}

#[test]
fn unknown_contacts_cost_nothing_but_the_names() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    romeo.counts();
    let nobody = jid("nobody@capulet.lit");
    let error = romeo.encrypt(&[&nobody], "hello?").unwrap_err();
    let omemo::Error::Encrypt(omemo::EncryptFailure::NoEligibleDevices { jids, skipped }) = error else {
        panic!("{error}")
    };
    assert_eq!(jids, [nobody]);
    let [skipped] = skipped.as_slice() else {
        panic!("{skipped:?}")
    };
    assert!(matches!(skipped.reason, omemo::SkipReason::NoDevices));
    assert_eq!(romeo.counts().records_written, 0);
}

#[test]
fn a_device_list_that_says_nothing_new_writes_nothing() {
    let server = Server::new();
    let (romeo, juliet) = acquainted(&server);
    let list = server
        .device_list(&juliet.jid, &omemo::Namespace::OMEMO_2)
        .unwrap();
    let update = || {
        romeo
            .client
            .update_device_list(omemo::Namespace::OMEMO_2, juliet.jid.clone(), list.clone())
    };
    wait(update()).unwrap();
    let counts = romeo.counts();
    assert_eq!((counts.loads, counts.commits), (1, 0));
}
