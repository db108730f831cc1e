//! Strangers who make a device owe them sessions that it can never open: their server lets every question for a bundle
//! fail.

use std::sync::atomic::Ordering;

use omemo::blocking::wait;
use omemo::local::{Delivery, Server};
use omemo::{BareJid, Client, Decrypted, Error, Flushed, IncomingMessage, OutboxItem};
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Revision, Storage, Value};
use omemo_storage_memory::MemoryStorage;

use super::clock::{Hands, ROMEO};
use super::common::{Device, jid, open, rng, settings, text};
use super::spotty::{Deed, EVIL, Spotty};
use super::{NS, forged_for, list};

/// As many as are kept of one account.
const DEVICES: u32 = 200;

/// The most sessions that are owed to those who write in ones that are not known.
const MOST: usize = 256;
const MOST_OF_ONE: usize = 32;

const DAY: u64 = 86_400;

/// Romeo, whose network is spotty and whose clock is moved by hand.
struct Romeo {
    jid: BareJid,
    client: Client<MemoryStorage, Spotty>,
    network: Spotty,
    storage: MemoryStorage,
    hands: Hands,
}

fn romeo(server: &Server) -> Romeo {
    let jid = jid(ROMEO);
    let (storage, hands) = (MemoryStorage::new(), Hands::default());
    let network = Spotty::new(server.connect(&jid, "phone"));
    let builder =
        Client::builder(settings(jid.clone()), storage.clone(), network.clone()).rng(rng(&jid, "phone"));
    let client = wait(builder.clock(hands.clone()).catch_up(false).open()).unwrap();
    Romeo {
        jid,
        client,
        network,
        storage,
        hands,
    }
}

/// The name of an attacker's account, before those of honest people in any order by name.
fn attacker(number: u32) -> String {
    format!("!{number:04}@{EVIL}")
}

impl Romeo {
    fn flush(&self) -> Flushed {
        wait(self.client.flush()).unwrap()
    }

    /// An account lists devices, and a message of each comes that no session is behind.
    fn is_written_to(&self, by: &str, devices: std::ops::RangeInclusive<u32>) {
        wait(self.client.update_device_list(NS, jid(by), list(devices.clone()))).unwrap();
        for device in devices {
            let forged = forged_for(&self.jid, self.client.device(), by, device);
            assert!(wait(self.client.decrypt(forged)).is_err());
        }
    }

    /// Takes in all that has arrived.
    fn receive(&self) -> Vec<Result<Decrypted, Error>> {
        let mut results = Vec::new();
        while let Some(delivery) = self.network.connection.receive() {
            match delivery {
                Delivery::Message(message) => results.push(wait(self.client.decrypt(message))),
                Delivery::DeviceList { namespace, jid, list } => {
                    wait(self.client.update_device_list(namespace, jid, list)).unwrap();
                }
            }
        }
        results
    }

    fn keys(&self) -> Vec<(Key, Revision)> {
        let account = AccountId::new(ROMEO).unwrap();
        let page = wait(self.storage.records(&account, None, 100_000)).unwrap();
        page.entries
            .into_iter()
            .map(|record| (record.key, record.revision))
            .collect()
    }

    /// The items of all marks, of those that hold `of`.
    fn marks(&self, of: &str) -> usize {
        let keys = self.keys();
        let items = keys.iter().map(|(key, _)| key.item.as_str());
        items
            .filter(|item| item.starts_with("outbox/re") && item.contains(of))
            .count()
    }

    fn commit(&self, fill: impl FnOnce(&mut Batch)) {
        let mut id = [0; 16];
        getrandom::fill(&mut id).unwrap();
        let mut batch = Batch::new(CommitId::from_bytes(id));
        fill(&mut batch);
        let account = AccountId::new(ROMEO).unwrap();
        assert_eq!(
            wait(self.storage.commit(&account, &batch)).unwrap(),
            Committed::Applied
        );
    }

    /// The sessions with an account are gone, as if the storage had lost them.
    fn lose_sessions(&self, with: &BareJid) {
        let partition = format!("contact/{with}");
        let is_lost =
            |key: &Key| key.partition.as_str() == partition && key.item.as_str().starts_with("session/");
        self.commit(|batch| {
            for (key, revision) in self.keys().into_iter().filter(|(key, _)| is_lost(key)) {
                batch.delete(key, Some(revision));
            }
        });
    }
}

/// What she writes, as it would arrive.
fn written(from: &Device, to: &Romeo, text: &str) -> IncomingMessage {
    let outgoing = from.encrypt(&[&to.jid], text).unwrap();
    IncomingMessage {
        sender: from.jid.clone(),
        message: outgoing.messages[0].clone(),
    }
}

/// The two have written to each other.
fn acquainted(server: &Server) -> (Romeo, Device) {
    let romeo = romeo(server);
    let juliet = open(server, "juliet@capulet.lit", "phone");
    romeo.receive();
    let hello = written(&juliet, &romeo, "hello");
    assert!(wait(romeo.client.decrypt(hello)).is_ok());
    romeo.flush();
    assert_eq!(juliet.receive().len(), 1);
    romeo.network.take_deeds();
    (romeo, juliet)
}

fn is_answer_to(item: &OutboxItem, to: &BareJid) -> bool {
    matches!(item, OutboxItem::Reply { jid, .. } if jid == to)
}

/// Two accounts of an attacker, whose devices are as many as fit in one flush and more.
#[test]
fn failing_bundles_of_strangers_keep_no_answer_back() {
    let server = Server::new();
    let romeo = romeo(&server);
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    for number in 0..2 {
        romeo.is_written_to(&attacker(number), 1..=DEVICES);
    }
    let hello = written(&juliet, &romeo, "hello");
    let decrypted = wait(romeo.client.decrypt(hello)).unwrap();
    assert_eq!(text(&decrypted).unwrap(), "hello");
    let flushed = romeo.flush();
    let answered = flushed.sent.iter().any(|item| is_answer_to(item, &juliet.jid));
    assert!(answered, "{:?}, {} wait", flushed.sent, flushed.postponed);
    assert_eq!(juliet.receive().len(), 1);
}

/// A question for a bundle may take as long as the attacker likes.
#[test]
fn an_answer_waits_for_no_bundle_of_a_stranger() {
    let server = Server::new();
    let (romeo, juliet) = acquainted(&server);
    romeo.is_written_to(&attacker(0), 1..=1);
    for n in 0..54 {
        let message = written(&juliet, &romeo, &n.to_string());
        assert!(wait(romeo.client.decrypt(message)).is_ok());
    }
    let flushed = romeo.flush();
    let deeds = [Deed::Sent(juliet.jid.clone()), Deed::Asked(jid(&attacker(0)))];
    assert_eq!(romeo.network.take_deeds(), deeds);
    assert_eq!((flushed.sent.len(), flushed.failed.len()), (1, 1), "{flushed:?}");
    assert!(is_answer_to(&flushed.sent[0], &juliet.jid), "{flushed:?}");
}

/// The attacker has far more accounts than are owed anything; a contact whose session was lost gets a new one all the same.
#[test]
fn failing_bundles_of_strangers_keep_no_repair_back() {
    let server = Server::new();
    let (romeo, juliet) = acquainted(&server);
    for number in 0..20 {
        romeo.is_written_to(&attacker(number), 1..=50);
    }
    romeo.lose_sessions(&juliet.jid);
    let lost = written(&juliet, &romeo, "lost");
    assert!(wait(romeo.client.decrypt(lost)).is_err());
    assert_eq!(romeo.marks(juliet.jid.as_str()), 1);
    // More come before anything leaves.
    for number in 20..40 {
        romeo.is_written_to(&attacker(number), 1..=50);
    }
    let flushed = romeo.flush();
    let repaired = flushed.sent.iter().any(|item| is_answer_to(item, &juliet.jid));
    assert!(repaired, "{:?}, {} wait", flushed.sent, flushed.postponed);
    juliet.receive();
    juliet.flush();
    let decrypted = wait(romeo.client.decrypt(written(&juliet, &romeo, "found"))).unwrap();
    assert_eq!(text(&decrypted).unwrap(), "found");
}

#[test]
fn the_sessions_owed_to_strangers_stay_few() {
    let server = Server::new();
    let romeo = romeo(&server);
    for number in 0..20 {
        romeo.is_written_to(&attacker(number), 1..=DEVICES);
        assert!(romeo.marks(&attacker(number)) <= MOST_OF_ONE);
        assert!(romeo.marks("") <= MOST, "{}", romeo.marks(""));
    }
    romeo.network.take_deeds();
    romeo.flush();
    let asked = romeo.network.take_deeds().len();
    assert!(asked <= MOST, "{asked}");
}

/// A page of messages, as it lies in an archive.
#[test]
fn a_page_of_a_strangers_messages_owes_few_sessions() {
    let server = Server::new();
    let romeo = romeo(&server);
    let mut page = Vec::new();
    for number in 0..20 {
        let stranger = attacker(number);
        wait(romeo.client.update_device_list(NS, jid(&stranger), list(1..=40))).unwrap();
        page.extend((1..=40).map(|device| forged_for(&romeo.jid, romeo.client.device(), &stranger, device)));
    }
    let outcomes = wait(romeo.client.decrypt_many(page)).unwrap();
    assert!(outcomes.iter().all(Result::is_err));
    assert_eq!(romeo.marks(""), MOST);
    assert!(romeo.marks(&attacker(19)) > 0, "the last has no place");
}

/// Other devices of one account each time, so that the contact forgets to whom it was owed.
#[test]
fn the_sessions_owed_to_one_account_stay_few() {
    let server = Server::new();
    let romeo = romeo(&server);
    for round in 0..3 {
        let first = 1 + round * DEVICES;
        romeo.is_written_to(&attacker(0), first..=first + DEVICES - 1);
    }
    let marks = romeo.marks("");
    assert!(marks <= MOST_OF_ONE, "{marks}");
}

#[test]
fn a_session_that_cannot_be_opened_is_owed_for_a_day() {
    let server = Server::new();
    let romeo = romeo(&server);
    romeo.is_written_to(&attacker(0), 1..=3);
    romeo.hands.0.store(DAY - 1, Ordering::SeqCst);
    assert_eq!(romeo.flush().failed.len(), 3);
    assert_eq!(romeo.marks(""), 3);
    romeo.hands.0.store(DAY, Ordering::SeqCst);
    assert_eq!(romeo.flush().failed.len(), 3);
    assert_eq!(romeo.marks(""), 0);
    // Whoever writes again is owed one again.
    romeo.is_written_to(&attacker(0), 1..=1);
    assert_eq!(romeo.marks(""), 1);
}

/// So many marks as older versions wrote them, for devices that are listed and have no session.
fn put_old_marks(romeo: &Romeo, of: &str, devices: std::ops::RangeInclusive<u32>) {
    wait(
        romeo
            .client
            .update_device_list(NS, jid(of), list(devices.clone())),
    )
    .unwrap();
    romeo.commit(|batch| {
        for device in devices {
            let item = format!("outbox/reply/{NS}/{of}/{device}");
            batch.put(Key::new("own", &item).unwrap(), None, Value::from(vec![1]));
        }
    });
}

/// An answer without a session to write it in, as a device leaves behind that comes back after it was forgotten.
#[test]
fn an_answer_that_needs_a_bundle_is_tried_once() {
    let server = Server::new();
    let (romeo, juliet) = acquainted(&server);
    for number in 0..2 {
        put_old_marks(&romeo, &attacker(number), 1..=DEVICES);
    }
    for n in 0..54 {
        let message = written(&juliet, &romeo, &n.to_string());
        assert!(wait(romeo.client.decrypt(message)).is_ok());
    }
    let sent = [romeo.flush(), romeo.flush()].map(|flushed| flushed.sent);
    let mut sent = sent.iter().flatten();
    assert!(sent.any(|item| is_answer_to(item, &juliet.jid)));
    assert_eq!(romeo.marks(""), 0);
}

/// She has lost the session, and opens one herself before he has sent her a new one: one message says it all.
#[test]
fn whoever_is_owed_an_answer_and_a_session_gets_one_message() {
    let server = Server::new();
    let (romeo, juliet) = acquainted(&server);
    romeo.lose_sessions(&juliet.jid);
    assert!(wait(romeo.client.decrypt(written(&juliet, &romeo, "lost"))).is_err());
    let device = omemo::DeviceAddress {
        jid: romeo.jid.clone(),
        device: romeo.client.device(),
    };
    wait(juliet.client.replace_sessions(device)).unwrap();
    juliet.flush();
    assert!(romeo.receive().iter().all(Result::is_ok));
    assert_eq!(romeo.marks(juliet.jid.as_str()), 2);
    romeo.flush();
    assert_eq!(romeo.marks(""), 0);
    assert_eq!(romeo.network.take_deeds(), [Deed::Sent(juliet.jid.clone())]);
}

/// An answer that needs a session is tried once; the new session that is owed besides, again.
#[test]
fn a_session_that_is_owed_outlives_an_answer_whose_bundle_fails() {
    let server = Server::new();
    let romeo = romeo(&server);
    let of = attacker(0);
    romeo.is_written_to(&of, 1..=1);
    put_old_marks(&romeo, &of, 1..=1);
    assert_eq!(romeo.marks(&of), 2);
    romeo.flush();
    assert_eq!(romeo.marks(&of), 1);
    romeo.network.take_deeds();
    romeo.flush();
    assert_eq!(romeo.network.take_deeds(), [Deed::Asked(jid(&of))]);
}

/// What is owed to a contact goes with it.
#[test]
fn a_contact_that_is_purged_is_owed_no_session() {
    let server = Server::new();
    let romeo = romeo(&server);
    romeo.is_written_to(&attacker(0), 1..=3);
    wait(romeo.client.purge_contact(jid(&attacker(0)))).unwrap();
    assert_eq!(romeo.marks(""), 0);
}
