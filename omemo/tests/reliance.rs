//! What an operation relies on may change while it is under way: driven by hand, with others acting in between.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::sync::atomic::{AtomicU64, Ordering};

use common::{jid, open, open_on, settings, settle};
use omemo::blocking::{Network as _, wait};
use omemo::local::{Delivery, Server};
use omemo::trust::TrustLevel;
use omemo::{DeviceAddress, EncryptFailure, EncryptRequest, Error, IncomingMessage, Namespace, Timestamp};
use omemo_conformance::faults::TestRng;
use omemo_sansio::Account;
use omemo_sansio::engine::{Effect, ForeignReply, Operation, Step};
use omemo_storage::{ErrorKind, Storage, StorageError};
use omemo_storage_memory::MemoryStorage;

const OMEMO_2: Namespace = Namespace::OMEMO_2;
const ROMEO: &str = "romeo@montague.lit";

type Device = common::Device<MemoryStorage>;

fn account() -> Account {
    Account::new(settings(jid(ROMEO))).unwrap()
}

/// Drives an operation on a device's storage and connection. `before` is told of each effect before it is performed.
fn drive<T>(
    device: &Device,
    mut operation: Operation<T>,
    mut before: impl FnMut(&Effect),
) -> (Result<T, Error>, Vec<&'static str>) {
    // Another one for each operation: their commits must not have the same ids.
    static DRIVEN: AtomicU64 = AtomicU64::new(0);
    let mut rng = TestRng::new(DRIVEN.fetch_add(1, Ordering::Relaxed));
    let mut performed = Vec::new();
    loop {
        match operation.advance(now(), &mut rng) {
            Step::Done(result) => return (result, performed),
            Step::Perform(effects) => {
                for effect in effects {
                    before(&effect);
                    performed.push(perform(device, &mut operation, effect).unwrap());
                }
            }
        }
    }
}

fn now() -> Timestamp {
    omemo::Clock::now(&omemo::SystemClock)
}

fn perform<T>(
    device: &Device,
    operation: &mut Operation<T>,
    effect: Effect,
) -> Result<&'static str, ForeignReply> {
    let (storage, connection, account) = (device.client.storage(), &device.connection, account());
    match effect {
        Effect::Load(load, reply) => operation
            .fulfil(reply, wait(storage.load(account.id(), &load.query)))
            .map(|()| "load"),
        Effect::Store(store, reply) => operation
            .fulfil(reply, wait(storage.commit(account.id(), &store.batch)))
            .map(|()| "store"),
        Effect::DownloadBundle(wanted, reply) => operation
            .fulfil(reply, connection.download_bundles(&[wanted]).remove(0))
            .map(|()| "download bundle"),
        Effect::UploadBundle(upload, reply) => operation
            .fulfil(reply, connection.upload_bundle(&upload))
            .map(|()| "upload bundle"),
        Effect::DeleteBundle(deletion, reply) => operation
            .fulfil(reply, connection.delete_bundle(&deletion))
            .map(|()| "delete bundle"),
        Effect::DownloadDeviceList(wanted, reply) => operation
            .fulfil(reply, connection.download_device_list(&wanted))
            .map(|()| "download device list"),
        Effect::UploadDeviceList(upload, reply) => operation
            .fulfil(reply, connection.upload_device_list(&upload))
            .map(|()| "upload device list"),
        Effect::SendMessage(message, reply) => operation
            .fulfil(reply, connection.send_message(&message))
            .map(|()| "send message"),
        Effect::AskTrust(_, reply) => operation.fulfil(reply, Ok(Vec::new())).map(|()| "ask trust"),
    }
}

fn romeo_on_memory(server: &Server) -> Device {
    open_on(server, ROMEO, "phone", MemoryStorage::new())
}

fn hello(to: &str) -> EncryptRequest {
    EncryptRequest::new(vec![jid(to)], OMEMO_2, b"hello".to_vec())
}

#[test]
fn effects_come_in_the_order_that_keeps_everything_durable() {
    let server = Server::new();
    let romeo = romeo_on_memory(&server);
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    settle(&[&juliet]);
    romeo.receive();
    let (encrypted, performed) = drive(&romeo, account().encrypt(hello("juliet@capulet.lit")), |_| {});
    let _ = encrypted.unwrap();
    assert_eq!(performed, ["load", "download bundle", "store"]);
    juliet.send(&[&romeo.jid], "hello");
    let Some(Delivery::Message(message)) = romeo.connection.receive() else {
        panic!()
    };
    let (decrypted, performed) = drive(&romeo, account().decrypt(message), |_| {});
    let _ = decrypted.unwrap();
    assert_eq!(performed, ["load", "store"]);
    // The ratchet step of the reply is stored before the reply leaves, the mark removed after it has.
    let (flushed, performed) = drive(&romeo, account().flush(), |_| {});
    assert_eq!(flushed.unwrap().sent.len(), 2);
    assert_eq!(
        performed,
        [
            "load",
            "load",
            "upload bundle",
            "store",
            "send message",
            "load",
            "store"
        ]
    );
}

/// A commit that was issued and not answered may have been applied: then the operation ends only by what tells that it was
/// not.
#[test]
fn a_commit_that_was_not_answered_is_not_ended_by_another_failure() {
    let server = Server::new();
    let romeo = romeo_on_memory(&server);
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    settle(&[&juliet]);
    romeo.receive();
    let mut rng = TestRng::new(1);
    for (kind, ends) in [
        (ErrorKind::Unavailable, false),
        (ErrorKind::Full, false),
        (ErrorKind::TooLarge, true),
        (ErrorKind::Companion, true),
    ] {
        let mut operation = account().encrypt(hello("juliet@capulet.lit"));
        let mut issued = 0;
        let ended = loop {
            let effects = match operation.advance(now(), &mut rng) {
                Step::Done(result) => break result.is_err(),
                Step::Perform(effects) => effects,
            };
            for effect in effects {
                match effect {
                    Effect::Store(store, reply) => {
                        assert_eq!(store.unknown_outcomes, issued);
                        if issued == 1 {
                            let failed = StorageError::new(kind, "refused");
                            operation.fulfil(reply, Err(failed)).unwrap();
                        }
                        issued += 1;
                    }
                    other => drop(perform(&romeo, &mut operation, other).unwrap()),
                }
            }
            if issued == 2 && operation.is_committing() {
                break false;
            }
        };
        assert_eq!((issued, ended), (2, ends), "{kind:?}");
    }
}

#[test]
fn trust_that_is_withdrawn_before_the_commit_counts() {
    let server = Server::new();
    let romeo = romeo_on_memory(&server);
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.send(&[&juliet.jid], "hello");
    let devices = wait(romeo.client.device_information(juliet.jid.clone()))
        .unwrap()
        .devices;
    let key = devices[0].identity_key.unwrap();
    let mut withdrawn = false;
    // The message only reads the contact, and writes the session: that it was read must be part of the commit.
    let (encrypted, _) = drive(&romeo, account().encrypt(hello("juliet@capulet.lit")), |effect| {
        if let (Effect::Store(..), false) = (effect, withdrawn) {
            withdrawn = true;
            wait(
                romeo
                    .client
                    .set_trust(juliet.jid.clone(), key, TrustLevel::DISTRUSTED),
            )
            .unwrap();
        }
    });
    assert!(withdrawn);
    assert!(
        matches!(
            encrypted,
            Err(Error::Encrypt(EncryptFailure::NoEligibleDevices { .. }))
        ),
        "{encrypted:?}"
    );
}

#[test]
fn a_catch_up_that_begins_before_the_commit_counts() {
    let server = Server::new();
    let romeo = romeo_on_memory(&server);
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    juliet.send(&[&romeo.jid], "hello");
    let message = std::iter::from_fn(|| romeo.connection.receive()).find_map(|delivery| match delivery {
        Delivery::Message(message) => Some(message),
        Delivery::DeviceList { .. } => None,
    });
    let mut begun = None;
    // Whether a catch-up is open was only read, and decides what becomes of the pre key.
    let (decrypted, performed) = drive(&romeo, account().decrypt(message.unwrap()), |effect| {
        if let (Effect::Store(..), true) = (effect, begun.is_none()) {
            begun = Some(wait(romeo.client.begin_catch_up()).unwrap());
        }
    });
    let _ = decrypted.unwrap();
    assert_eq!(
        performed.iter().filter(|effect| **effect == "store").count(),
        2,
        "{performed:?}"
    );
}

/// A session that another process opens meanwhile must not outlive what is known of whom it is with.
#[test]
fn a_session_that_comes_before_a_purge_is_committed_counts() {
    let server = Server::new();
    let romeo = romeo_on_memory(&server);
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    // The contact is known, with the identity key and a level, so another session leaves it as it is.
    romeo.send(&[&juliet.jid], "hello");
    let address = DeviceAddress {
        jid: juliet.jid.clone(),
        device: juliet.client.device(),
    };
    let mut opened = false;
    let forget = account().forget_sessions(vec![juliet.jid.clone()], None);
    drive(&romeo, forget, |_| {}).0.unwrap();
    let (purged, performed) = drive(&romeo, account().purge_contact(juliet.jid.clone()), |effect| {
        if let (Effect::Store(..), false) = (effect, opened) {
            opened = true;
            romeo.send(&[&juliet.jid], "meanwhile");
        }
    });
    purged.unwrap();
    assert_eq!(performed, ["load", "store", "load", "store"]);
    let chains = wait(romeo.client.sending_chains(address)).unwrap();
    assert_eq!(chains[&OMEMO_2], None, "its session is still there");
}

#[test]
fn an_absence_that_ends_before_the_commit_counts() {
    let server = Server::new();
    let romeo = romeo_on_memory(&server);
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let mut meanwhile = Vec::new();
    // Both open a session with her; the second to commit must find the first one's.
    let (encrypted, _) = drive(&romeo, account().encrypt(hello("juliet@capulet.lit")), |effect| {
        if let (Effect::Store(..), true) = (effect, meanwhile.is_empty()) {
            meanwhile = romeo.encrypt(&[&juliet.jid], "meanwhile").unwrap().messages;
        }
    });
    let messages = [meanwhile, encrypted.unwrap().complete().unwrap().messages].concat();
    assert_eq!(messages.len(), 2);
    let sessions: Vec<_> = messages
        .into_iter()
        .map(|message| {
            juliet
                .decrypt(IncomingMessage {
                    sender: romeo.jid.clone(),
                    message,
                })
                .unwrap()
                .received()
                .unwrap()
                .new_session
        })
        .collect();
    assert_eq!(sessions, [true, false], "a second session was opened");
}

#[test]
fn a_device_list_that_was_overtaken_is_downloaded_again() {
    let server = Server::new();
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let romeo = romeo_on_memory(&server);
    let mut laptop = None;
    let refresh = account().refresh_device_list(OMEMO_2, juliet.jid.clone());
    let (change, performed) = drive(&romeo, refresh, |effect| {
        if let (Effect::Store(..), true) = (effect, laptop.is_none()) {
            // She opens her laptop, and he is told at once.
            laptop = Some(open(&server, "juliet@capulet.lit", "laptop"));
            romeo.receive();
        }
    });
    change.unwrap();
    assert_eq!(
        performed
            .iter()
            .filter(|effect| **effect == "download device list")
            .count(),
        2,
        "{performed:?}"
    );
    let devices = wait(romeo.client.device_information(juliet.jid)).unwrap().devices;
    assert!(
        devices.iter().all(|device| device.protocols[&OMEMO_2]) && devices.len() == 2,
        "{devices:?}"
    );
}

#[test]
fn a_reply_that_is_asked_for_again_while_it_is_sent_is_sent_again() {
    let server = Server::new();
    let romeo = romeo_on_memory(&server);
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    juliet.send(&[&romeo.jid], "hello");
    romeo.receive();
    let mut replies = 0;
    let (flushed, _) = drive(&romeo, account().flush(), |effect| {
        if let Effect::SendMessage(..) = effect {
            replies += 1;
            if replies == 1 {
                renew_reply_mark(&romeo, &juliet);
            }
        }
    });
    assert!(flushed.unwrap().failed.is_empty());
    assert_eq!(replies, 2);
    assert!(romeo.flush().sent.is_empty());
}

/// Another process takes in 54 messages of a chain: a heartbeat is owed, under the mark of the reply.
fn renew_reply_mark(romeo: &Device, juliet: &common::Device) {
    for n in 0..54 {
        juliet.send(&[&romeo.jid], &n.to_string());
    }
    let owed: Vec<bool> = romeo
        .receive()
        .into_iter()
        .map(|result| result.unwrap().received().unwrap().flush_wanted)
        .collect();
    assert!(owed.contains(&true), "no heartbeat is owed");
}

#[test]
fn a_slow_old_upload_does_not_have_the_last_word() {
    let server = Server::new();
    let romeo = romeo_on_memory(&server);
    let (juliet, nurse) = (
        open(&server, "juliet@capulet.lit", "phone"),
        open(&server, "nurse@capulet.lit", "phone"),
    );
    let published = || {
        let bundle = server.bundle(&romeo.jid, &OMEMO_2, romeo.client.device());
        let ids = bundle.unwrap().pre_keys.into_keys();
        ids.map(|id| id.get()).collect::<Vec<u32>>()
    };
    let first = published()[0];
    juliet.send(&[&romeo.jid], "hello");
    romeo.receive();
    let mut overtaken = false;
    drive(&romeo, account().flush(), |effect| {
        if let (Effect::UploadBundle(..), false) = (effect, overtaken) {
            overtaken = true;
            // While this upload lingers, another key exchange uses a pre key, and its bundle is published at once.
            nurse.send(&[&romeo.jid], "hello");
            romeo.receive();
            assert!(romeo.flush().failed.is_empty());
        }
    })
    .0
    .unwrap();
    assert!(overtaken);
    let ids = published();
    assert_eq!(ids.len(), 100);
    // Two were used, and two came after the hundred that there were at first.
    assert_eq!(
        ids[99],
        first + 101,
        "the bundle of before the second key exchange is published: {ids:?}"
    );
}

#[test]
fn a_slow_old_device_list_does_not_have_the_last_word_either() {
    let server = Server::new();
    let romeo = romeo_on_memory(&server);
    let call_it = |label: &str| wait(romeo.client.set_own_label(Some(label.into()))).unwrap();
    call_it("old");
    let mut overtaken = false;
    drive(&romeo, account().flush(), |effect| {
        if let (Effect::UploadDeviceList(..), false) = (effect, overtaken) {
            overtaken = true;
            // While this upload lingers, the device is called something else, and that list is published at once.
            call_it("new");
            assert!(romeo.flush().failed.is_empty());
        }
    })
    .0
    .unwrap();
    assert!(overtaken);
    let published = server.device_list(&romeo.jid, &OMEMO_2).unwrap();
    let label = published.devices[&romeo.client.device()].label.as_ref().unwrap();
    assert_eq!(label.text, "new");
    assert!(romeo.flush().sent.is_empty());
}

#[test]
fn a_reply_token_answers_its_own_effect_once() {
    let server = Server::new();
    let romeo = romeo_on_memory(&server);
    let mut rng = TestRng::new(1);
    let (mut one, mut other) = (account().flush(), account().flush());
    let take_load = |step: Step<_>| match step {
        Step::Perform(mut effects) => match effects.remove(0) {
            Effect::Load(load, reply) => (load, reply),
            effect => panic!("{effect:?}"),
        },
        Step::Done(result) => panic!("{result:?}"),
    };
    let (load, reply) = take_load(one.advance(now(), &mut rng));
    let _ = other.advance(now(), &mut rng);
    let snapshot = || wait(romeo.client.storage().load(account().id(), &load.query));
    assert_eq!(other.fulfil(reply, snapshot()), Err(ForeignReply));
    // What was not answered is asked for again; the token of before would do as well, but only one of them.
    let (_, again) = take_load(one.advance(now(), &mut rng));
    let (_, once_more) = take_load(one.advance(now(), &mut rng));
    assert_eq!(one.fulfil(again, snapshot()), Ok(()));
    assert_eq!(one.fulfil(once_more, snapshot()), Err(ForeignReply));
}

#[test]
fn the_lists_of_all_strangers_on_a_page_are_asked_for_at_once() {
    let server = Server::new();
    let romeo = romeo_on_memory(&server);
    let senders = ["juliet@capulet.lit", "nurse@capulet.lit"];
    let mut page = Vec::new();
    for of in senders {
        let sender = open(&server, of, "phone");
        for _ in 0..2 {
            let encrypted = sender.encrypt(&[&romeo.jid], "hello").unwrap();
            page.push(IncomingMessage {
                sender: sender.jid.clone(),
                message: encrypted.messages.into_iter().next().unwrap(),
            });
        }
    }
    let mut operation = account().decrypt_many(page);
    let (mut rng, mut steps) = (TestRng::new(1), Vec::new());
    let outcomes = loop {
        match operation.advance(now(), &mut rng) {
            Step::Done(outcomes) => break outcomes.unwrap(),
            Step::Perform(effects) => {
                let effects = effects.into_iter();
                steps.push(
                    effects
                        .map(|effect| perform(&romeo, &mut operation, effect).unwrap())
                        .collect::<Vec<_>>(),
                );
            }
        }
    };
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(steps, [&["load"][..], &["download device list"; 2], &["store"]]);
}
