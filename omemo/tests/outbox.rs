//! What must reach the outside, and does in the end.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{jid, open, settings, settle, text};
use omemo::blocking::wait;
use omemo::local::{Delivery, Server, Weather};
use omemo::{
    Client, Clock, DecryptFailure, Decrypted, EncryptedMessage, Error, IncomingMessage, Namespace,
    OutboxFailure, OutboxItem, Timestamp,
};
use omemo_sansio::protocol::{Omemo2, Protocol};
use omemo_sansio::ratchet::DecryptError;
use omemo_storage::{AccountId, Batch, CommitId, Committed, Storage};
use omemo_storage_memory::MemoryStorage;

const OMEMO_2: Namespace = Namespace::OMEMO_2;

#[test]
fn a_failed_upload_costs_no_plaintext_and_is_repeated() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    settle(&[&romeo, &juliet]);
    let before = server
        .bundle(&juliet.jid, &OMEMO_2, juliet.client.device())
        .unwrap();
    romeo.send(&[&juliet.jid], "hello");
    server.fail_uploads(1);
    server.fail_messages(1);
    let decrypted = juliet.receive().pop().unwrap().unwrap();
    assert_eq!(text(&decrypted).unwrap(), "hello");
    assert!(decrypted.as_received().unwrap().flush_wanted);
    let failed = juliet.flush().failed;
    assert_eq!(failed.len(), 2, "bundle and reply: {failed:?}");
    assert!(
        failed.iter().any(|(item, failure)| {
            *item == OutboxItem::Bundle(OMEMO_2) && matches!(failure, OutboxFailure::Network(_))
        }),
        "{failed:?}"
    );
    assert_eq!(
        server
            .bundle(&juliet.jid, &OMEMO_2, juliet.client.device())
            .unwrap(),
        before
    );
    let maintained = wait(juliet.client.maintain()).unwrap();
    assert!(
        maintained.outbox.failed.is_empty() && maintained.outbox.sent.len() == 2,
        "{maintained:?}"
    );
    let after = server
        .bundle(&juliet.jid, &OMEMO_2, juliet.client.device())
        .unwrap();
    let used: Vec<_> = before
        .pre_keys
        .keys()
        .filter(|id| !after.pre_keys.contains_key(id))
        .collect();
    assert_eq!(
        (used.len(), after.pre_keys.len()),
        (1, 100),
        "the used pre key is replaced"
    );
    assert!(juliet.flush().sent.is_empty());
}

/// The number of the one that failed is used: what leaves later is another message.
#[test]
fn an_answer_whose_sending_failed_stays_owed_and_leaves_with_the_next_flush() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    settle(&[&romeo, &juliet]);
    romeo.send(&[&juliet.jid], "hello");
    let _ = juliet.receive().pop().unwrap().unwrap();
    server.fail_messages(1);
    let flushed = juliet.flush();
    assert_eq!(flushed.sent, [OutboxItem::Bundle(OMEMO_2)]);
    let [(owed, OutboxFailure::Network(_))] = flushed.failed.as_slice() else {
        panic!("{flushed:?}")
    };
    let answer = OutboxItem::Reply {
        namespace: OMEMO_2,
        jid: romeo.jid.clone(),
        device: romeo.client.device(),
    };
    assert_eq!((owed, server.seen().empty_messages), (&answer, 0));
    let flushed = juliet.flush();
    assert!(flushed.failed.is_empty(), "{flushed:?}");
    assert_eq!((flushed.sent, server.seen().empty_messages), (vec![answer], 1));
    let received = romeo.receive().pop().unwrap().unwrap();
    assert!(text(&received).is_none());
    let outgoing = romeo.send(&[&juliet.jid], "you have answered");
    assert!(!outgoing.messages[0].recipients[0].keys[0].key_exchange);
    assert!(juliet.flush().sent.is_empty());
}

/// Each attempt uses up a message key, and a receiver skips a thousand at most.
#[test]
fn an_answer_that_cannot_be_sent_is_given_up_before_what_follows_is_out_of_reach() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    settle(&[&romeo, &juliet]);
    romeo.send(&[&juliet.jid], "hello");
    let _ = juliet.receive().pop().unwrap().unwrap();
    server.fail_messages(u32::MAX);
    let tried = (0..1_100)
        .take_while(|_| !juliet.flush().failed.is_empty())
        .count();
    assert_eq!(tried, 500);
    server.fail_messages(0);
    let flushed = juliet.flush();
    assert!(
        flushed.sent.is_empty() && flushed.failed.is_empty(),
        "{flushed:?}"
    );
    juliet.send(&[&romeo.jid], "I could not answer");
    assert_eq!(romeo.texts(), ["I could not answer"]);
}

#[test]
fn a_device_list_that_could_not_be_published_is_published_by_the_next_flush() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let (device, list) = (romeo.client.device(), OutboxItem::DeviceList(OMEMO_2));
    let label = || {
        let listed = server.device_list(&romeo.jid, &OMEMO_2).unwrap();
        listed.devices[&device].label.clone().map(|label| label.text)
    };
    wait(romeo.client.set_own_label(Some("phone".to_owned()))).unwrap();
    server.fail_uploads(1);
    let flushed = romeo.flush();
    let [(failed, OutboxFailure::Network(_))] = flushed.failed.as_slice() else {
        panic!("{flushed:?}")
    };
    assert_eq!((failed, label()), (&list, None));
    assert_eq!(romeo.flush().sent, [list]);
    assert_eq!(label().as_deref(), Some("phone"));
}

#[test]
fn the_bundle_is_there_before_the_device_is_listed() {
    let server = Server::new();
    server.fail_uploads(1);
    let romeo = open(&server, "romeo@montague.lit", "phone");
    assert_eq!(server.device_list(&romeo.jid, &OMEMO_2), None);
    let flushed = romeo.flush();
    assert_eq!(
        flushed.sent,
        [OutboxItem::Bundle(OMEMO_2), OutboxItem::DeviceList(OMEMO_2)]
    );
    assert!(
        server
            .device_list(&romeo.jid, &OMEMO_2)
            .unwrap()
            .devices
            .contains_key(&romeo.client.device())
    );
}

#[test]
fn a_key_exchange_is_repeated_until_it_is_answered() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let marked = |outgoing: &omemo::Outgoing| outgoing.messages[0].recipients[0].keys[0].key_exchange;
    for text in ["one", "two", "three"] {
        assert!(marked(&romeo.send(&[&juliet.jid], text)));
    }
    assert_eq!(juliet.texts(), ["one", "two", "three"]);
    romeo.receive();
    assert!(!marked(&romeo.send(&[&juliet.jid], "four")));
    assert_eq!(juliet.texts(), ["four"]);
}

#[test]
fn a_key_exchange_without_its_mark_is_recognised_by_its_bytes() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let mut message = romeo
        .encrypt(&[&juliet.jid], "unmarked")
        .unwrap()
        .messages
        .remove(0);
    message.recipients[0].keys[0].key_exchange = false;
    let decrypted = juliet
        .decrypt(IncomingMessage {
            sender: romeo.jid.clone(),
            message,
        })
        .unwrap();
    assert_eq!(text(&decrypted).unwrap(), "unmarked");
    assert!(decrypted.as_received().unwrap().new_session);
}

#[test]
fn both_sides_may_open_a_session_at_once() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    for round in 0..3 {
        romeo.send(&[&juliet.jid], &format!("from him {round}"));
        juliet.send(&[&romeo.jid], &format!("from her {round}"));
    }
    assert_eq!(juliet.texts(), ["from him 0", "from him 1", "from him 2"]);
    assert_eq!(romeo.texts(), ["from her 0", "from her 1", "from her 2"]);
    for round in 0..3 {
        romeo.send(&[&juliet.jid], &format!("his {round}"));
        juliet.send(&[&romeo.jid], &format!("hers {round}"));
        assert_eq!(juliet.texts(), [format!("his {round}")]);
        assert_eq!(romeo.texts(), [format!("hers {round}")]);
    }
    settle(&[&romeo, &juliet]);
    let messages = server.seen().messages;
    settle(&[&romeo, &juliet]);
    assert_eq!(
        server.seen().messages,
        messages,
        "empty messages go to and fro without end"
    );
}

#[test]
fn a_long_chain_is_answered_by_a_heartbeat() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.send(&[&juliet.jid], "hello");
    settle(&[&romeo, &juliet]);
    for n in 0..54 {
        romeo.send(&[&juliet.jid], &n.to_string());
        let decrypted = juliet.receive().pop().unwrap().unwrap();
        assert_eq!(decrypted.received().unwrap().flush_wanted, n == 53, "message {n}");
    }
    assert_eq!(juliet.flush().sent.len(), 1);
    let _ = romeo.receive().pop().unwrap().unwrap();
    let encrypted = romeo.send(&[&juliet.jid], "a new chain");
    let incoming = Omemo2
        .parse(&encrypted.messages[0].recipients[0].keys[0].data)
        .unwrap();
    assert_eq!(incoming.message.header().n, 0, "the ratchet has not moved on");
    assert_eq!(juliet.texts(), ["a new chain"]);
}

/// It makes its chain no longer, and one answer is enough.
#[test]
fn a_late_message_of_a_long_chain_owes_no_second_heartbeat() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.send(&[&juliet.jid], "hello");
    settle(&[&romeo, &juliet]);
    let owes = |message: EncryptedMessage| {
        let sender = romeo.jid.clone();
        let decrypted = juliet.decrypt(IncomingMessage { sender, message }).unwrap();
        decrypted.received().unwrap().flush_wanted
    };
    let encrypt = || romeo.encrypt(&[&juliet.jid], "").unwrap().messages.remove(0);
    let late = encrypt();
    let (lost, last) = ((1..53).map(|_| encrypt()).collect::<Vec<_>>(), encrypt());
    assert!(owes(last));
    assert_eq!(juliet.flush().sent.len(), 1);
    assert!(!owes(late));

    // A chain that begins with a message that many were lost before, as many as the last chain had.
    let _ = romeo.receive().pop().unwrap().unwrap();
    (0..=lost.len()).for_each(|_| drop(encrypt()));
    assert!(owes(encrypt()));
}

/// Both have written at once, and he goes on in the session that she has put into her archive.
#[test]
fn a_long_chain_of_an_archived_session_is_answered_by_a_heartbeat() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.send(&[&juliet.jid], "at once");
    juliet.send(&[&romeo.jid], "at once");
    let _ = juliet.receive().pop().unwrap().unwrap();
    let _ = romeo.receive().pop().unwrap().unwrap();
    assert_eq!(
        juliet.flush().sent.len(),
        2,
        "her bundle, and the answer to his key exchange"
    );
    let encrypt = || romeo.encrypt(&[&juliet.jid], "").unwrap().messages.remove(0);
    (0..53).for_each(|_| drop(encrypt()));
    let (sender, message) = (romeo.jid.clone(), encrypt());
    let decrypted = juliet.decrypt(IncomingMessage { sender, message }).unwrap();
    assert!(decrypted.received().unwrap().flush_wanted);
    assert_eq!(juliet.flush().sent.len(), 1);
}

/// A clock that a test moves.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicU64>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + self.0.load(Ordering::Relaxed))
    }
}

/// Juliet forgets every session she has with romeo, as if her storage had lost them.
fn forget_sessions(storage: &MemoryStorage) {
    let account = AccountId::new("juliet@capulet.lit").unwrap();
    let records = wait(storage.records(&account, None, 1_000)).unwrap().entries;
    for record in records {
        if record.key.item.as_str().starts_with("session/") {
            let mut batch = Batch::new(CommitId::from_bytes([0; 16].map(|_: u8| rand_byte())));
            batch.delete(record.key, Some(record.revision));
            assert_eq!(
                wait(storage.commit(&account, &batch)).unwrap(),
                Committed::Applied
            );
        }
    }
}

fn rand_byte() -> u8 {
    let mut byte = [0];
    getrandom::fill(&mut byte).unwrap();
    byte[0]
}

#[test]
fn a_message_without_session_is_answered_by_a_new_one_once_a_day() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let hands = Hands::default();
    let storage = MemoryStorage::new();
    let connection = server.connect(&jid("juliet@capulet.lit"), "phone");
    let builder = Client::builder(
        settings(jid("juliet@capulet.lit")),
        storage.clone(),
        connection.clone(),
    );
    let juliet = wait(builder.catch_up(false).clock(hands.clone()).open()).unwrap();
    romeo.send(&[&jid("juliet@capulet.lit")], "hello");
    let take = || {
        let mut outcomes = Vec::new();
        while let Some(delivery) = connection.receive() {
            if let Delivery::Message(message) = delivery {
                outcomes.push(wait(juliet.decrypt(message)));
            }
        }
        outcomes
    };
    let _ = take().pop().unwrap().unwrap();
    wait(juliet.flush()).unwrap();
    romeo.receive();

    // What he writes in a session that she has lost cannot be read, and she opens a new one.
    let lost = |expected_replies: usize| {
        forget_sessions(&storage);
        romeo.send(&[&jid("juliet@capulet.lit")], "unreadable");
        let error = take().pop().unwrap().unwrap_err();
        assert!(
            matches!(error, Error::Decrypt(DecryptFailure::NoSession(_))),
            "{error}"
        );
        assert_eq!(wait(juliet.flush()).unwrap().sent.len(), expected_replies);
    };
    lost(1);
    let decrypted = romeo.receive().pop().unwrap().unwrap();
    assert!(text(&decrypted).is_none());
    romeo.flush();
    romeo.send(&[&jid("juliet@capulet.lit")], "readable");
    let last = take().pop().unwrap().unwrap();
    assert_eq!(text(&last).unwrap(), "readable");
    // Not again on the same day, lest somebody makes her send without end.
    lost(0);
    hands.0.store(86_400, Ordering::Relaxed);
    lost(1);
}

#[test]
fn a_storm_on_the_way_costs_nothing() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.send(&[&juliet.jid], "hello");
    settle(&[&romeo, &juliet]);
    server.set_weather(
        Weather {
            lost: 0,
            repeated: 20,
            delayed: 20,
            reordered: 30,
        },
        7,
    );
    let (mut read, mut repeated) = (std::collections::BTreeSet::new(), 0);
    let mut take = |results: Vec<Result<Decrypted, Error>>| {
        for result in results {
            match result {
                Ok(Decrypted::AlreadyDecrypted) => repeated += 1,
                Ok(decrypted) => {
                    if let Some(text) = text(&decrypted) {
                        assert!(read.insert(text.clone()), "{text:?} was read twice");
                    }
                }
                // A repetition of a chain so old that it is forgotten looks like a forgery.
                Err(Error::Decrypt(DecryptFailure::Session(DecryptError::InvalidMac))) => repeated += 1,
                Err(error) => panic!("{error}"),
            }
        }
    };
    for n in 0..200 {
        romeo.send(&[&juliet.jid], &format!("his {n}"));
        juliet.send(&[&romeo.jid], &format!("hers {n}"));
        if n % 5 == 0 {
            take(juliet.receive());
            take(romeo.receive());
        }
    }
    server.clear_up();
    take(juliet.receive());
    take(romeo.receive());
    assert_eq!(read.len(), 400);
    assert!(repeated > 30, "{repeated} were repeated");
}
