//! Catching up: pre keys that several have used.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::sync::Arc;

use common::{Device, is_repeated, open, rng, settings, settle, text};
use omemo::blocking::wait;
use omemo::local::Server;
use omemo::{Client, DecryptFailure, Error, IncomingMessage, Namespace, OutboxItem};

const OMEMO_2: Namespace = Namespace::OMEMO_2;

/// Romeo, whose published bundle has one pre key left, and what these people have written to him with it.
fn one_pre_key_for<const N: usize>(server: &Server, people: [&str; N]) -> (Device, [IncomingMessage; N]) {
    let romeo = open(server, "romeo@montague.lit", "phone");
    let mut bundle = server
        .bundle(&romeo.jid, &OMEMO_2, romeo.client.device())
        .unwrap();
    let last = bundle.pre_keys.pop_last().unwrap();
    bundle.pre_keys = [last].into();
    server.publish_bundle(&romeo.jid, &OMEMO_2, romeo.client.device(), bundle);
    let messages = people.map(|jid| {
        let sender = open(server, jid, "phone");
        let message = sender.encrypt(&[&romeo.jid], jid).unwrap().messages.remove(0);
        IncomingMessage {
            sender: sender.jid,
            message,
        }
    });
    (romeo, messages)
}

fn one_pre_key_for_three(server: &Server) -> (Device, [IncomingMessage; 3]) {
    let people = ["juliet@capulet.lit", "nurse@capulet.lit", "paris@verona.lit"];
    one_pre_key_for(server, people)
}

/// Another process of a device, on the same storage.
fn attach(server: &Server, device: &Device) -> Device {
    let (jid, storage) = (device.jid.clone(), Arc::clone(device.client.storage()));
    let connection = server.connect(&jid, "phone");
    let builder = Client::builder(settings(jid.clone()), storage, connection.clone());
    let client = wait(builder.rng(rng(&jid, "phone")).attach()).unwrap();
    Device {
        jid,
        client,
        connection,
    }
}

fn reads(romeo: &Device, message: &IncomingMessage) {
    let decrypted = romeo.decrypt(message.clone()).unwrap();
    assert_eq!(text(&decrypted).unwrap(), message.sender.as_str());
}

fn refuses(romeo: &Device, message: &IncomingMessage) {
    let error = romeo.decrypt(message.clone()).unwrap_err();
    assert!(
        matches!(error, Error::Decrypt(DecryptFailure::PreKeyGone(_))),
        "{error}"
    );
}

#[test]
fn a_pre_key_is_good_for_one() {
    let server = Server::new();
    let (romeo, [first, second, _]) = one_pre_key_for_three(&server);
    reads(&romeo, &first);
    refuses(&romeo, &second);
}

#[test]
fn wire_note_30_a_pre_key_is_good_for_all_until_the_last_catch_up_ends() {
    let server = Server::new();
    let (romeo, [first, second, third]) = one_pre_key_for_three(&server);
    let published = || {
        server
            .bundle(&romeo.jid, &OMEMO_2, romeo.client.device())
            .unwrap()
            .pre_keys
    };
    let used = *published().keys().next().unwrap();
    let one = wait(romeo.client.begin_catch_up()).unwrap();
    let other = wait(romeo.client.begin_catch_up()).unwrap();
    reads(&romeo, &first);
    wait(romeo.client.end_catch_up(&one)).unwrap();
    reads(&romeo, &second);
    // It is hidden: nobody is offered it any more.
    romeo.flush();
    let offered = published();
    assert_eq!(offered.len(), 100);
    assert!(!offered.contains_key(&used), "a used pre key is offered");
    wait(romeo.client.end_catch_up(&other)).unwrap();
    refuses(&romeo, &third);
}

/// Each reads a part of the archive. What one has read must not cost the other its part, whoever ends first.
#[test]
fn wire_note_30_a_pre_key_is_good_for_all_until_the_last_process_has_caught_up() {
    let server = Server::new();
    let people = [
        "juliet@capulet.lit",
        "nurse@capulet.lit",
        "paris@verona.lit",
        "mercutio@verona.lit",
    ];
    let (one, [first, second, third, fourth]) = one_pre_key_for(&server, people);
    let other = attach(&server, &one);
    assert_eq!(one.client.device(), other.client.device());
    let offered = || {
        let bundle = server.bundle(&one.jid, &OMEMO_2, one.client.device());
        bundle.unwrap().pre_keys
    };
    let used = *offered().keys().next().unwrap();
    let is_replaced = || {
        let offered = offered();
        offered.len() == 100 && !offered.contains_key(&used) && *offered.keys().last().unwrap() > used
    };
    let of_one = wait(one.client.begin_catch_up()).unwrap();
    let of_other = wait(other.client.begin_catch_up()).unwrap();
    reads(&one, &first);
    reads(&other, &second);

    wait(one.client.end_catch_up(&of_one)).unwrap();
    reads(&other, &third);
    let flushed = other.flush();
    assert_eq!(
        (flushed.sent, flushed.postponed),
        (vec![OutboxItem::Bundle(OMEMO_2)], 3)
    );
    assert!(is_replaced(), "it is hidden from everybody else");

    wait(other.client.end_catch_up(&of_other)).unwrap();
    refuses(&other, &fourth);
    refuses(&one, &fourth);
    // Three answers, and a session for the last, who has written in vain.
    let flushed = one.flush();
    assert_eq!((flushed.sent.len(), flushed.postponed), (4, 0), "{flushed:?}");
    assert!(is_replaced());
}

#[test]
fn a_key_exchange_from_the_archive_builds_no_second_session() {
    let server = Server::new();
    let (romeo, [first, ..]) = one_pre_key_for_three(&server);
    let catch_up = wait(romeo.client.begin_catch_up()).unwrap();
    reads(&romeo, &first);
    for _ in 0..2 {
        assert!(is_repeated(&romeo.decrypt(first.clone())));
    }
    wait(romeo.client.end_catch_up(&catch_up)).unwrap();
    assert!(is_repeated(&romeo.decrypt(first)));
}

/// All who are in a room have it, and nothing in it says whose it is.
#[test]
fn a_key_exchange_that_somebody_has_presented_as_his_own_still_opens_a_session_for_its_sender() {
    let server = Server::new();
    let (romeo, [message]) = one_pre_key_for(&server, ["juliet@capulet.lit"]);
    let tybalt = open(&server, "tybalt@capulet.lit", "phone");
    let mut copied = message.clone();
    copied.sender = tybalt.jid.clone();
    copied.message.sender_device = tybalt.client.device();
    let catch_up = wait(romeo.client.begin_catch_up()).unwrap();
    assert!(text(&romeo.decrypt(copied).unwrap()).is_some());
    reads(&romeo, &message);
    assert!(is_repeated(&romeo.decrypt(message)));
    wait(romeo.client.end_catch_up(&catch_up)).unwrap();
}

#[test]
fn wire_note_30_replies_wait_for_the_end() {
    let server = Server::new();
    let (romeo, [first, ..]) = one_pre_key_for_three(&server);
    let catch_up = wait(romeo.client.begin_catch_up()).unwrap();
    reads(&romeo, &first);
    let flushed = romeo.flush();
    assert_eq!(
        (flushed.sent.len(), flushed.postponed),
        (1, 1),
        "the bundle alone: {flushed:?}"
    );
    wait(romeo.client.end_catch_up(&catch_up)).unwrap();
    let flushed = romeo.flush();
    assert_eq!((flushed.sent.len(), flushed.postponed), (1, 0), "{flushed:?}");
}

/// Romeo, who has written to juliet and is catching up.
fn catching_up(server: &Server) -> (Device, Device, omemo::CatchUp) {
    let romeo = open(server, "romeo@montague.lit", "phone");
    let juliet = open(server, "juliet@capulet.lit", "phone");
    settle(&[&romeo, &juliet]);
    romeo.send(&[&juliet.jid], "hello");
    settle(&[&romeo, &juliet]);
    let catch_up = wait(romeo.client.begin_catch_up()).unwrap();
    (romeo, juliet, catch_up)
}

/// An empty message to her waits for the end of the catch-up, and is all that leaves then.
fn waits_for_the_end(romeo: &Device, juliet: &Device, catch_up: &omemo::CatchUp) {
    let owed = OutboxItem::Reply {
        namespace: OMEMO_2,
        jid: juliet.jid.clone(),
        device: juliet.client.device(),
    };
    for _ in 0..2 {
        let flushed = romeo.flush();
        assert_eq!((flushed.sent, flushed.postponed), (vec![], 1));
    }
    wait(romeo.client.end_catch_up(catch_up)).unwrap();
    let flushed = romeo.flush();
    assert_eq!((flushed.sent, flushed.postponed), (vec![owed], 0));
}

#[test]
fn wire_note_30_a_repair_waits_for_the_end() {
    let server = Server::new();
    let (romeo, juliet, catch_up) = catching_up(&server);
    wait(romeo.client.purge_contact(juliet.jid.clone())).unwrap();
    juliet.send(&[&romeo.jid], "in a session that is gone");
    let failed = romeo.receive().pop().unwrap();
    assert!(
        matches!(failed, Err(Error::Decrypt(DecryptFailure::NoSession(_)))),
        "{failed:?}"
    );
    waits_for_the_end(&romeo, &juliet, &catch_up);
    drop(juliet.receive());
    juliet.send(&[&romeo.jid], "in the new one");
    assert_eq!(romeo.texts(), ["in the new one"]);
}

#[test]
fn wire_note_30_a_heartbeat_waits_for_the_end() {
    let server = Server::new();
    let (romeo, juliet, catch_up) = catching_up(&server);
    for n in 0..54 {
        juliet.send(&[&romeo.jid], &n.to_string());
    }
    assert_eq!(romeo.receive().len(), 54);
    waits_for_the_end(&romeo, &juliet, &catch_up);
}

#[test]
fn what_was_never_read_is_not_taken_for_read() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let [first, second] = [(), ()].map(|()| {
        let mut sent = juliet.encrypt(&[&romeo.jid], "juliet@capulet.lit").unwrap();
        IncomingMessage {
            sender: juliet.jid.clone(),
            message: sent.messages.remove(0),
        }
    });
    let catch_up = wait(romeo.client.begin_catch_up()).unwrap();
    reads(&romeo, &first);
    wait(romeo.client.purge_contact(juliet.jid.clone())).unwrap();
    // The pre key is kept for others, and builds no second session for this key exchange.
    refuses(&romeo, &second);
    wait(romeo.client.end_catch_up(&catch_up)).unwrap();
}
