//! A page of messages at once: what it costs, and that each message ends for itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Device, Metering, acquaint, arrived, jid, open, rng, settings, settle, text, texts};
use omemo::blocking::wait;
use omemo::local::{Delivery, Server, Weather};
use omemo::trust::TrustLevel;
use omemo::{
    Client, Clock, DecryptFailure, Decrypted, Error, IncomingMessage, Namespace, Storage, Timestamp,
};
use omemo_storage::{AccountId, Metered};
use omemo_storage_memory::MemoryStorage;

#[test]
fn a_page_of_key_exchanges_from_many_is_one_load_and_one_commit() {
    let server = Server::new();
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    // Some may have chosen the same pre key.
    let catch_up = wait(juliet.client.begin_catch_up()).unwrap();
    for n in 0..20 {
        open(&server, &format!("contact{n}@montague.lit"), "phone").send(&[&juliet.jid], &n.to_string());
    }
    let page = {
        let mut messages = Vec::new();
        while let Some(delivery) = juliet.connection.receive() {
            match delivery {
                Delivery::Message(message) => messages.push(message),
                Delivery::DeviceList { namespace, jid, list } => {
                    wait(juliet.client.update_device_list(namespace, jid, list)).unwrap();
                }
            }
        }
        messages
    };
    juliet.counts();
    let outcomes = wait(juliet.client.decrypt_many(page)).unwrap();
    let counts = juliet.counts();
    assert_eq!(texts(&outcomes).len(), 20);
    assert_eq!((counts.loads, counts.commits), (1, 1));
    wait(juliet.client.end_catch_up(&catch_up)).unwrap();
}

#[test]
fn what_one_message_needs_besides_is_one_more_load_for_all() {
    let server = Server::new();
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let senders: Vec<Device> = (0..5)
        .map(|n| open(&server, &format!("contact{n}@montague.lit"), "phone"))
        .collect();
    for sender in &senders {
        acquaint(sender, &juliet);
    }
    for sender in &senders {
        for n in 0..4 {
            sender.send(&[&juliet.jid], &n.to_string());
        }
    }
    // Out of order: each of them needs its skipped keys.
    let mut page = arrived(&juliet);
    page.reverse();
    juliet.counts();
    let outcomes = wait(juliet.client.decrypt_many(page)).unwrap();
    assert_eq!(texts(&outcomes).len(), 20);
    let counts = juliet.counts();
    assert_eq!((counts.loads, counts.commits), (2, 1));
}

#[test]
fn what_late_messages_need_is_one_more_load_for_each_64_devices() {
    let server = Server::new();
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let senders: Vec<Device> = (0..65)
        .map(|n| open(&server, &format!("contact{n}@montague.lit"), "phone"))
        .collect();
    let catch_up = wait(juliet.client.begin_catch_up()).unwrap();
    let opening = senders.iter().map(|sender| {
        sender.send(&[&juliet.jid], "hello");
        arrived(&juliet).remove(0)
    });
    let opened = wait(juliet.client.decrypt_many(opening.collect::<Vec<_>>())).unwrap();
    assert_eq!(texts(&opened).len(), 65);
    wait(juliet.client.end_catch_up(&catch_up)).unwrap();
    juliet.flush();
    for sender in &senders {
        drop(sender.receive());
    }
    for (late, loads) in [(64, 2), (65, 3)] {
        for sender in senders.iter().take(late) {
            for text in ["early", "late"] {
                sender.send(&[&juliet.jid], text);
            }
        }
        let mut page = arrived(&juliet);
        page.reverse();
        juliet.counts();
        let outcomes = wait(juliet.client.decrypt_many(page)).unwrap();
        assert_eq!(texts(&outcomes).len(), 2 * late);
        let counts = juliet.counts();
        assert_eq!((counts.loads, counts.commits), (loads, 1), "{late} devices");
    }
}

#[test]
fn strangers_of_a_page_are_looked_up_together() {
    let server = Server::new();
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    for n in 0..5 {
        open(&server, &format!("contact{n}@montague.lit"), "phone").send(&[&juliet.jid], &n.to_string());
    }
    // No device list was pushed.
    let page = arrived(&juliet);
    juliet.counts();
    let outcomes = wait(juliet.client.decrypt_many(page)).unwrap();
    assert_eq!(texts(&outcomes).len(), 5);
    let counts = juliet.counts();
    assert_eq!((counts.loads, counts.commits), (1, 1));
}

/// Seconds after the time at which tests begin.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicU64>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + self.0.load(Ordering::Relaxed))
    }
}

/// Juliet, who keeps one device of each account, and her clock.
fn keeping_one_device(server: &Server) -> (Device, Hands) {
    let mut settings = settings(jid("juliet@capulet.lit"));
    settings.limits.devices = 1;
    let jid = settings.jid.clone();
    let (connection, hands) = (server.connect(&jid, "phone"), Hands::default());
    let storage = Arc::new(Metered::new(MemoryStorage::new()));
    let builder = Client::builder(settings, storage, connection.clone()).rng(rng(&jid, "phone"));
    let client = wait(builder.clock(hands.clone()).catch_up(false).open()).unwrap();
    let juliet = Device {
        jid,
        client,
        connection,
    };
    (juliet, hands)
}

/// Each sender has another device now, and the one that juliet knows is forgotten with its sessions.
#[test]
fn what_is_forgotten_of_many_senders_is_looked_up_together() {
    let server = Server::new();
    let (juliet, hands) = keeping_one_device(&server);
    let senders: Vec<String> = (0..5).map(|n| format!("contact{n}@montague.lit")).collect();
    for sender in &senders {
        open(&server, sender, "phone").send(&[&juliet.jid], "from the phone");
    }
    let outcomes = wait(juliet.client.decrypt_many(arrived(&juliet))).unwrap();
    assert_eq!(texts(&outcomes), ["from the phone"; 5]);
    juliet.flush();
    for sender in &senders {
        let laptop = open(&server, sender, "laptop");
        let mut list = server.device_list(&laptop.jid, &Namespace::OMEMO_2).unwrap();
        list.devices.retain(|device, _| *device == laptop.client.device());
        server.publish_device_list(&laptop.jid, &Namespace::OMEMO_2, list);
        laptop.send(&[&juliet.jid], "from the laptop");
        laptop.send(&[&juliet.jid], "once more");
    }
    // A list is looked at once a minute.
    hands.0.fetch_add(60, Ordering::Relaxed);
    let page = arrived(&juliet);
    juliet.counts();
    let outcomes = wait(juliet.client.decrypt_many(page)).unwrap();
    assert_eq!(texts(&outcomes).len(), 10);
    let counts = juliet.counts();
    assert_eq!((counts.loads, counts.commits), (2, 1));
    let account = AccountId::new(juliet.jid.as_str()).unwrap();
    let records = wait(juliet.client.storage().records(&account, None, 10_000)).unwrap();
    let names = records.entries.iter().map(|entry| entry.key.item.as_str());
    let sessions = names.filter(|name| name.starts_with("session/"));
    assert_eq!(sessions.count(), 5, "those with the phones are gone");
}

/// Something is known of the account, but not its device list: one download answers for all its messages.
#[test]
fn messages_of_one_stranger_share_a_download() {
    let server = Server::new();
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let own = wait(romeo.client.device_information(romeo.jid.clone())).unwrap();
    let key = own.devices[0].identity_key.unwrap();
    wait(
        juliet
            .client
            .set_trust(romeo.jid.clone(), key, TrustLevel::TRUSTED),
    )
    .unwrap();
    for text in ["one", "two", "three"] {
        romeo.send(&[&juliet.jid], text);
    }
    let outcomes = wait(juliet.client.decrypt_many(arrived(&juliet))).unwrap();
    assert_eq!(texts(&outcomes), ["one", "two", "three"]);
}

/// A page with a repetition, a forgery, a stranger's message and one for others: the rest is not touched by them.
#[test]
fn a_message_that_fails_leaves_the_others() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    settle(&[&romeo, &juliet]);
    acquaint(&romeo, &juliet);
    for word in ["But,", "soft!", "what", "light"] {
        romeo.send(&[&juliet.jid], word);
    }
    let [first, second, third, fourth] = arrived(&juliet).try_into().unwrap();
    let mut forged = third.clone();
    *forged.message.recipients[0].keys[0].data.last_mut().unwrap() ^= 1;
    let mut damaged = third.clone();
    *damaged
        .message
        .payload
        .as_mut()
        .unwrap()
        .ciphertext
        .last_mut()
        .unwrap() ^= 1;
    let mut of_nobody = third.clone();
    of_nobody.message.sender_device = omemo::DeviceId::new(7);
    let mut for_others = third.clone();
    for_others.message.recipients.clear();
    let page = vec![
        first.clone(),
        first,
        second,
        forged,
        damaged,
        of_nobody,
        for_others,
        third.clone(),
        fourth,
        third,
    ];
    let outcomes = wait(juliet.client.decrypt_many(page)).unwrap();
    assert_eq!(texts(&outcomes), ["But,", "soft!", "what", "light"]);
    assert!(matches!(outcomes[1], Ok(Decrypted::AlreadyDecrypted)));
    assert!(matches!(
        outcomes[3],
        Err(Error::Decrypt(DecryptFailure::Session(_)))
    ));
    assert!(matches!(
        outcomes[4],
        Err(Error::Decrypt(DecryptFailure::Payload(_)))
    ));
    assert!(matches!(
        outcomes[5],
        Err(Error::Decrypt(DecryptFailure::SenderNotFound(_)))
    ));
    assert!(matches!(outcomes[6], Ok(Decrypted::NotForUs)));
    assert!(matches!(outcomes[9], Ok(Decrypted::AlreadyDecrypted)));
    // What was committed is what was read: the next message is in order, and old ones are known.
    romeo.send(&[&juliet.jid], "through yonder window breaks?");
    assert_eq!(juliet.texts(), ["through yonder window breaks?"]);
}

/// A failed message that had taken a record which another of the page has written puts it back as that one left it.
#[test]
fn a_failure_takes_back_its_own_writes_alone() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    settle(&[&romeo, &juliet]);
    // Both open a session at once: each has the other's session and archives its own.
    romeo.send(&[&juliet.jid], "his first");
    juliet.send(&[&romeo.jid], "her first");
    romeo.send(&[&juliet.jid], "his second");
    let [first, second] = arrived(&juliet).try_into().unwrap();
    let mut damaged = second.clone();
    *damaged
        .message
        .payload
        .as_mut()
        .unwrap()
        .ciphertext
        .last_mut()
        .unwrap() ^= 1;
    let page = vec![first, damaged.clone(), second, damaged];
    let outcomes = wait(juliet.client.decrypt_many(page)).unwrap();
    assert_eq!(texts(&outcomes), ["his first", "his second"]);
    juliet.flush();
    settle(&[&romeo, &juliet]);
    for n in 0..3 {
        romeo.send(&[&juliet.jid], &format!("his {n}"));
        assert_eq!(juliet.texts(), [format!("his {n}")]);
        juliet.send(&[&romeo.jid], &format!("hers {n}"));
        assert_eq!(romeo.texts(), [format!("hers {n}")]);
    }
}

#[test]
fn pages_in_bad_weather_are_read_once_each() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let laptop = open(&server, "romeo@montague.lit", "laptop");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    settle(&[&romeo, &laptop, &juliet]);
    let weather = Weather {
        lost: 0,
        repeated: 15,
        delayed: 15,
        reordered: 30,
    };
    server.set_weather(weather, 11);
    let mut read = BTreeSet::new();
    let mut reads = |juliet: &Device<Metering>| {
        for page in IncomingMessage::pages(arrived(juliet)) {
            for outcome in wait(juliet.client.decrypt_many(page)).unwrap() {
                match outcome {
                    Ok(decrypted) => {
                        if let Some(text) = text(&decrypted) {
                            assert!(read.insert(text.clone()), "{text:?} was read twice");
                        }
                    }
                    // A repetition of a chain so old that it is forgotten looks like a forgery.
                    Err(Error::Decrypt(DecryptFailure::Session(_))) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
        juliet.flush();
    };
    for n in 0..150 {
        romeo.send(&[&juliet.jid], &format!("phone {n}"));
        laptop.send(&[&juliet.jid], &format!("laptop {n}"));
        if n % 25 == 24 {
            reads(&juliet);
            juliet.send(&[&romeo.jid], &format!("hers {n}"));
            drop((romeo.receive(), laptop.receive()));
        }
    }
    server.clear_up();
    reads(&juliet);
    assert_eq!(read.len(), 300);
}

#[test]
fn pages_have_bounds() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.send(&[&juliet.jid], "hello");
    let message = arrived(&juliet).remove(0);
    let large = {
        let mut large = message.clone();
        large.message.payload.as_mut().unwrap().ciphertext = vec![0; 3 << 20];
        large
    };
    let sizes = |messages: Vec<IncomingMessage>| -> Vec<usize> {
        IncomingMessage::pages(messages).iter().map(Vec::len).collect()
    };
    assert_eq!(sizes(vec![message.clone(); 2_500]), [1_000, 1_000, 500]);
    assert_eq!(sizes(vec![large.clone(); 5]), [2, 2, 1]);
    for page in [vec![message; 1_001], vec![large; 3]] {
        let error = wait(juliet.client.decrypt_many(page)).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
    assert!(wait(juliet.client.decrypt_many(Vec::new())).unwrap().is_empty());
}
