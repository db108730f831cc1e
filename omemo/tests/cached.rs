//! Clients on storages with a cache: what it saves, and that it does no harm.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::{Device, jid, open, open_on, settings, settle, text};
use omemo::blocking::wait;
use omemo::local::{Delivery, Server};
use omemo::trust::TrustLevel;
use omemo::{Client, EncryptFailure, Error, IdentityKey, IncomingMessage};
use omemo_sansio::protocol::{Omemo2, Protocol};
use omemo_storage::{Cached, Counts, MasterKey, Metered, Sealed, Storage};
use omemo_storage_memory::MemoryStorage;

const ROMEO: &str = "romeo@montague.lit";
const JULIET: &str = "juliet@capulet.lit";

type OverMemory = Arc<Cached<Metered<MemoryStorage>>>;

fn cached(memory: &MemoryStorage) -> OverMemory {
    Arc::new(Cached::new(Metered::new(memory.clone())))
}

fn costs(device: &Device<OverMemory>) -> (u64, u64) {
    let Counts { loads, commits, .. } = device.client.storage().inner().take();
    (loads, commits)
}

fn conflicts(device: &Device<OverMemory>) -> u64 {
    device.client.storage().inner().take().conflicts
}

/// A device that two processes serve, each with a cache of its own; and Juliet's.
fn two_processes(server: &Server) -> ([Device<OverMemory>; 2], Device) {
    let memory = MemoryStorage::new();
    let one = open_on(server, ROMEO, "phone", cached(&memory));
    let connection = one.connection.clone();
    let builder = Client::builder(settings(jid(ROMEO)), cached(&memory), connection.clone());
    let client = wait(builder.catch_up(false).open()).unwrap();
    let jid = jid(ROMEO);
    let other = Device {
        jid,
        client,
        connection,
    };
    assert_eq!(one.client.device(), other.client.device());
    let juliet = open(server, JULIET, "phone");
    one.receive();
    settle(&[&juliet]);
    ([one, other], juliet)
}

fn next_message<S: Storage>(device: &Device<S>) -> IncomingMessage {
    loop {
        if let Delivery::Message(message) = device.connection.receive().unwrap() {
            return message;
        }
    }
}

#[test]
fn messages_in_order_cost_one_commit_and_no_load() {
    let server = Server::new();
    let romeo = open_on(&server, ROMEO, "phone", cached(&MemoryStorage::new()));
    let juliet = open_on(&server, JULIET, "phone", cached(&MemoryStorage::new()));
    for (from, to) in [(&romeo, &juliet), (&juliet, &romeo), (&romeo, &juliet)] {
        from.send(&[&to.jid], "to begin with");
        assert_eq!(to.texts(), ["to begin with"]);
        from.texts();
    }
    for round in 0..10 {
        let (from, to) = [(&romeo, &juliet), (&juliet, &romeo)][round % 2];
        for _ in 0..2 {
            costs(from);
            from.send(&[&to.jid], "in order");
            assert_eq!(costs(from), (0, 1));
            costs(to);
            let decrypted = to.decrypt(next_message(to)).unwrap();
            assert_eq!(text(&decrypted).unwrap(), "in order");
            assert_eq!(costs(to), (0, 1));
        }
    }
}

#[test]
fn a_cache_over_a_sealed_storage_saves_as_much() {
    let server = Server::new();
    let inner = || Sealed::new(Metered::new(MemoryStorage::new()), MasterKey::from_bytes([7; 32]));
    let romeo = open_on(&server, ROMEO, "phone", Arc::new(Cached::new(inner())));
    let juliet = open(&server, JULIET, "phone");
    romeo.send(&[&juliet.jid], "to begin with");
    assert_eq!(juliet.texts(), ["to begin with"]);
    romeo.texts();
    // What was only created is loaded once.
    romeo.send(&[&juliet.jid], "in order");
    romeo.client.storage().inner().inner().take();
    romeo.send(&[&juliet.jid], "in order");
    let counts = romeo.client.storage().inner().inner().take();
    assert_eq!((counts.loads, counts.commits), (0, 1));
}

#[test]
fn two_processes_with_caches_lose_no_message_and_use_no_key_twice() {
    let server = Server::new();
    let (romeo, juliet) = two_processes(&server);
    let (mut keys, mut used) = (BTreeSet::new(), 0);
    // Neither in turn nor in any simple pattern.
    let either = |round: usize| &romeo[usize::from([7, 3, 5].iter().any(|n| round % n == n - 1))];
    for round in 0..50 {
        let (there, back) = (format!("there {round}"), format!("back {round}"));
        let encrypted = either(round).send(&[&juliet.jid], &there);
        for element in encrypted
            .messages
            .iter()
            .flat_map(|message| &message.recipients)
            .flat_map(|recipient| &recipient.keys)
        {
            let incoming = Omemo2.parse(&element.data).unwrap();
            let header = incoming.message.header();
            keys.insert((*header.ratchet_key.as_bytes(), header.n));
            used += 1;
        }
        assert_eq!(juliet.texts(), [there]);
        juliet.send(&[&jid(ROMEO)], &back);
        assert_eq!(either(round * round + 1).texts(), [back]);
    }
    assert_eq!(
        (keys.len(), used >= 50),
        (used, true),
        "a message key was used twice"
    );
    // They did get in each other's way.
    assert!(romeo.iter().map(conflicts).sum::<u64>() > 0);
}

#[test]
fn an_error_that_a_stale_cache_suggests_is_validated_and_taken_back() {
    let server = Server::new();
    let (romeo, juliet) = two_processes(&server);
    let [one, other] = &romeo;
    one.send(&[&juliet.jid], "to begin with");
    let key = key_of(one, &juliet);
    let trust = |level| wait(one.client.set_trust(jid(JULIET), key, level)).unwrap();

    trust(TrustLevel::DISTRUSTED);
    for _ in 0..2 {
        let error = other.encrypt(&[&juliet.jid], "hello?").unwrap_err();
        let nobody = matches!(error, Error::Encrypt(EncryptFailure::NoEligibleDevices { .. }));
        assert!(nobody, "{error}");
    }
    // What the other knows is no longer so. To fail takes no write, so only a validation finds out.
    trust(TrustLevel::TRUSTED);
    let counts = |device: &Device<OverMemory>| device.client.storage().inner().take();
    counts(other);
    other.send(&[&juliet.jid], "hello!");
    let Counts {
        loads,
        commits,
        conflicts,
        ..
    } = counts(other);
    assert_eq!((loads, commits, conflicts), (1, 2, 1));
    assert_eq!(juliet.texts(), ["to begin with", "hello!"]);
}

#[test]
fn trust_that_was_withdrawn_elsewhere_counts() {
    let server = Server::new();
    let (romeo, juliet) = two_processes(&server);
    let [one, other] = &romeo;
    one.send(&[&juliet.jid], "to begin with");
    other.send(&[&juliet.jid], "from the other");
    wait(
        one.client
            .set_trust(jid(JULIET), key_of(one, &juliet), TrustLevel::DISTRUSTED),
    )
    .unwrap();
    let error = other.encrypt(&[&juliet.jid], "hello?").unwrap_err();
    let nobody = matches!(error, Error::Encrypt(EncryptFailure::NoEligibleDevices { .. }));
    assert!(nobody, "{error}");
}

fn key_of(device: &Device<OverMemory>, other: &Device) -> IdentityKey {
    let known = wait(device.client.device_information(other.jid.clone())).unwrap();
    known.devices[0].identity_key.unwrap()
}
