//! Whom is written to, and what is recorded when.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use common::{Device, arrived, jid, open, open_with, records, settle, text};
use omemo::blocking::wait;
use omemo::keys::PublicKey;
use omemo::local::{Connection, Delivery, Server};
use omemo::trust::{FirstUse, Manual, Trust, TrustDecision, TrustLevel, TrustPolicy};
use omemo::{
    Answer, AskTrust, BareJid, BundleFailure, Client, DecryptFailure, Decrypted, DeviceInformation,
    EncryptFailure, EncryptRequest, Error, IncomingMessage, Namespace, PartlyEncrypted, Settings, SkipReason,
    TrustPrompt,
};
use omemo_storage_memory::MemoryStorage;
use omemo_verify::{Finding, VerificationUri, compare};

fn settings(of: &str, policy: impl TrustPolicy + 'static) -> Settings {
    Settings {
        trust: Arc::new(policy),
        ..common::settings(jid(of))
    }
}

fn devices_of<S: omemo_storage::Storage>(device: &Device<S>, of: &str) -> Vec<DeviceInformation> {
    wait(device.client.device_information(jid(of))).unwrap().devices
}

const JULIET: &str = "juliet@capulet.lit";

#[test]
fn manual_trust_blocks_until_somebody_decides() {
    let server = Server::new();
    let romeo = open_with(
        &server,
        settings("romeo@montague.lit", Manual),
        "phone",
        MemoryStorage::new(),
    );
    let juliet = open(&server, JULIET, "phone");
    let Err(Error::Encrypt(EncryptFailure::StillUndecided(keys))) = romeo.encrypt(&[&juliet.jid], "hello")
    else {
        panic!("an undecided device was written to")
    };
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].devices, [juliet.client.device()]);
    wait(
        romeo
            .client
            .set_trust(jid(JULIET), keys[0].identity_key, TrustLevel::TRUSTED),
    )
    .unwrap();
    romeo.send(&[&juliet.jid], "hello");
    assert_eq!(juliet.texts(), ["hello"]);
    // What is undecided is read, and marked.
    juliet.send(&[&romeo.jid], "who are you?");
    let decrypted = romeo.receive().pop().unwrap().unwrap();
    assert!(matches!(decrypted, Decrypted::Trusted(_)), "{decrypted:?}");
}

/// What an application does with a URI that was scanned: the keys that match it are trusted.
fn scan(device: &Device<MemoryStorage>, text: &str) {
    let uri = VerificationUri::parse(text).unwrap();
    let known = wait(device.client.device_information(uri.jid.clone())).unwrap();
    for finding in compare(&uri, &known).into_values() {
        if let Finding::Matches(key) = finding {
            wait(device.client.set_trust(uri.jid.clone(), key, TrustLevel::TRUSTED)).unwrap();
        }
    }
}

#[test]
fn a_key_is_trusted_whose_uri_was_scanned_and_one_that_differs_is_not() {
    let server = Server::new();
    let romeo = open_with(
        &server,
        settings("romeo@montague.lit", Manual),
        "phone",
        MemoryStorage::new(),
    );
    let juliet = open(&server, JULIET, "phone");
    let mallory = open(&server, "mallory@verona.lit", "phone");
    // Juliet's device, said to have this one's key.
    let shown = |of: &Device| {
        let bundle = server.bundle(&of.jid, &Namespace::OMEMO_2, of.client.device());
        let fingerprint = bundle.unwrap().identity_key.fingerprint();
        let uri = VerificationUri {
            jid: jid(JULIET),
            fingerprints: [(juliet.client.device(), fingerprint)].into(),
        };
        uri.to_string()
    };
    let found = || {
        let [device] = <[_; 1]>::try_from(devices_of(&romeo, JULIET)).unwrap();
        (device.trust, device.level)
    };
    scan(&romeo, &shown(&mallory));
    assert_eq!(found(), (Trust::Undecided, None));
    scan(&romeo, &shown(&juliet));
    assert_eq!(found(), (Trust::Trusted, Some(TrustLevel::TRUSTED)));
}

#[test]
fn what_comes_from_an_undecided_key_is_marked() {
    let server = Server::new();
    let romeo = open_with(
        &server,
        settings("romeo@montague.lit", Manual),
        "phone",
        MemoryStorage::new(),
    );
    let juliet = open(&server, JULIET, "phone");
    juliet.send(&[&romeo.jid], "who are you?");
    let decrypted = romeo.receive().pop().unwrap().unwrap();
    let Decrypted::Undecided(received) = &decrypted else {
        panic!("{decrypted:?}")
    };
    assert_eq!(
        (received.sender.trust, received.sender.level.as_ref()),
        (Trust::Undecided, None)
    );
    assert_eq!(text(&decrypted).unwrap(), "who are you?");
}

#[test]
fn a_distrusted_device_is_neither_written_to_nor_read() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let phone = open(&server, JULIET, "phone");
    let laptop = open(&server, JULIET, "laptop");
    settle(&[&romeo, &phone, &laptop]);
    let distrusted = devices_of(&romeo, JULIET)
        .into_iter()
        .find(|device| device.device == laptop.client.device())
        .and_then(|device| device.identity_key)
        .unwrap();
    wait(
        romeo
            .client
            .set_trust(jid(JULIET), distrusted, TrustLevel::DISTRUSTED),
    )
    .unwrap();
    let encrypted = romeo.try_to_encrypt(&[&phone.jid], "only to the phone").unwrap();
    let PartlyEncrypted { outgoing, skipped } = encrypted.complete().unwrap_err();
    assert_eq!(outgoing.encrypted_to.len(), 1);
    let [skipped] = skipped.as_slice() else {
        panic!("{skipped:?}")
    };
    assert!(matches!(skipped.reason, SkipReason::Distrusted(key) if key == distrusted));
    laptop.send(&[&romeo.jid], "read me");
    let error = romeo.receive().pop().unwrap().unwrap_err();
    assert!(
        matches!(error, Error::Decrypt(DecryptFailure::SenderDistrusted(key)) if key == distrusted),
        "{error}"
    );
}

#[test]
fn first_use_trusts_the_first_keys_alone() {
    let server = Server::new();
    let romeo = open_with(
        &server,
        settings("romeo@montague.lit", FirstUse),
        "phone",
        MemoryStorage::new(),
    );
    let juliet = open(&server, JULIET, "phone");
    romeo.send(&[&juliet.jid], "hello");
    let _late = open(&server, JULIET, "laptop");
    romeo.receive();
    let Err(Error::Encrypt(EncryptFailure::StillUndecided(keys))) = romeo.encrypt(&[&juliet.jid], "again")
    else {
        panic!("a later device was trusted")
    };
    assert_eq!(keys.len(), 1);
}

#[test]
fn blind_trust_ends_with_verification() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, JULIET, "phone");
    romeo.send(&[&juliet.jid], "blindly");
    let key = devices_of(&romeo, JULIET)[0].identity_key.unwrap();
    assert_eq!(
        devices_of(&romeo, JULIET)[0].level,
        Some(TrustLevel::BLINDLY_TRUSTED)
    );
    let second = open(&server, JULIET, "laptop");
    romeo.receive();
    assert_eq!(romeo.send(&[&juliet.jid], "still blindly").encrypted_to.len(), 2);
    wait(romeo.client.set_trust(jid(JULIET), key, TrustLevel::TRUSTED)).unwrap();
    let _third = open(&server, JULIET, "tablet");
    romeo.receive();
    assert!(matches!(
        romeo.encrypt(&[&juliet.jid], "verified"),
        Err(Error::Encrypt(EncryptFailure::StillUndecided(keys))) if keys.len() == 1
    ));
    drop(second);
}

/// Decides about every key it is asked about, and remembers the questions.
struct Decides(TrustLevel, Arc<Mutex<Vec<AskTrust>>>);

impl TrustPrompt for Decides {
    fn ask<'a>(&'a self, question: &'a AskTrust) -> Answer<'a> {
        self.1.lock().unwrap().push(question.clone());
        let decisions = question.undecided.iter().map(|key| TrustDecision {
            jid: key.jid.clone(),
            identity_key: key.identity_key,
            level: self.0.clone(),
        });
        Box::pin(std::future::ready(Ok(decisions.collect())))
    }
}

fn deciding(
    server: &Server,
    level: TrustLevel,
) -> (Client<MemoryStorage, Connection>, Arc<Mutex<Vec<AskTrust>>>) {
    let questions = Arc::default();
    let romeo = asking(server, Decides(level, Arc::clone(&questions)));
    (romeo.client, questions)
}

/// Romeo, who trusts nobody before he was asked.
fn asking(server: &Server, prompt: impl TrustPrompt + 'static) -> Device<MemoryStorage> {
    let romeo = settings("romeo@montague.lit", Manual);
    let jid = romeo.jid.clone();
    let connection = server.connect(&jid, "phone");
    let builder = Client::builder(romeo, MemoryStorage::new(), connection.clone()).prompt(prompt);
    let client = wait(builder.catch_up(false).open()).unwrap();
    Device {
        jid,
        client,
        connection,
    }
}

#[test]
fn every_open_decision_is_asked_for_at_once_and_once() {
    let server = Server::new();
    let phone = open(&server, JULIET, "phone");
    let laptop = open(&server, JULIET, "laptop");
    let nurse = open(&server, "nurse@capulet.lit", "phone");
    let (romeo, questions) = deciding(&server, TrustLevel::TRUSTED);
    let request = || EncryptRequest {
        context: "chat with Juliet".to_owned(),
        ..EncryptRequest::new(
            vec![jid(JULIET), nurse.jid.clone()],
            Namespace::OMEMO_2,
            b"hello".to_vec(),
        )
    };
    let encrypted = wait(romeo.encrypt(request())).unwrap();
    assert_eq!(encrypted.complete().unwrap().encrypted_to.len(), 3);
    let _ = wait(romeo.encrypt(request())).unwrap();
    let questions = questions.lock().unwrap();
    assert_eq!(questions.len(), 1);
    assert_eq!(questions[0].undecided.len(), 3);
    assert_eq!(questions[0].context, "chat with Juliet");
    drop((phone, laptop));
}

#[test]
fn a_decision_stands_although_the_message_then_fails() {
    let server = Server::new();
    let juliet = open(&server, JULIET, "phone");
    let (romeo, questions) = deciding(&server, TrustLevel::DISTRUSTED);
    let request = || EncryptRequest::new(vec![jid(JULIET)], Namespace::OMEMO_2, b"hello".to_vec());
    for _ in 0..2 {
        let error = wait(romeo.encrypt(request())).unwrap_err();
        assert!(
            matches!(error, Error::Encrypt(EncryptFailure::NoEligibleDevices { .. })),
            "{error}"
        );
    }
    assert_eq!(questions.lock().unwrap().len(), 1, "the decision was not kept");
    drop(juliet);
}

#[test]
fn levels_the_policy_does_not_know_are_refused() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, JULIET, "phone");
    romeo.send(&[&juliet.jid], "hello");
    let key = devices_of(&romeo, JULIET)[0].identity_key.unwrap();
    let before = records(&romeo);
    let error = wait(romeo.client.set_trust(jid(JULIET), key, sworn())).unwrap_err();
    assert!(is_unknown(&error), "{error}");
    assert_eq!(records(&romeo), before);
}

const SWORN: &str = "sworn by the moon";

/// A level that the usual policies do not know.
fn sworn() -> TrustLevel {
    TrustLevel::new(SWORN).unwrap()
}

fn is_unknown(error: &Error) -> bool {
    matches!(error, Error::UnknownTrustLevel(level) if level == SWORN)
}

/// A policy of the application's own, which gives such a level.
#[derive(Debug)]
struct Swearing;

impl TrustPolicy for Swearing {
    fn meaning(&self, level: &TrustLevel) -> Option<Trust> {
        match level.as_str() {
            SWORN => Some(Trust::Trusted),
            _ => Manual.meaning(level),
        }
    }

    fn first_use(&self, _: &BareJid, _: &BTreeMap<PublicKey, TrustLevel>) -> Option<TrustLevel> {
        Some(sworn())
    }
}

/// An application that is downgraded must neither write to whom it does not know to trust, nor lose what they write.
#[test]
fn a_level_of_another_policy_stops_messages_both_ways_and_none_is_lost() {
    let server = Server::new();
    let storage = MemoryStorage::new();
    let open_romeo = |settings| open_with(&server, settings, "phone", storage.clone());
    let juliet = open(&server, JULIET, "phone");
    let romeo = open_romeo(settings("romeo@montague.lit", Swearing));
    romeo.send(&[&juliet.jid], "by yonder moon I swear");
    assert_eq!(juliet.texts(), ["by yonder moon I swear"]);
    assert!(romeo.texts().is_empty());
    assert_eq!(devices_of(&romeo, JULIET)[0].level, Some(sworn()));
    drop(romeo);

    let romeo = open_romeo(settings("romeo@montague.lit", Manual));
    juliet.send(&[&romeo.jid], "swear not by the moon");
    let message = arrived(&romeo).remove(0);
    let before = records(&romeo);
    for _ in 0..2 {
        let error = romeo.encrypt(&[&juliet.jid], "I swear").unwrap_err();
        assert!(is_unknown(&error), "{error}");
        let error = romeo.decrypt(message.clone()).unwrap_err();
        assert!(is_unknown(&error), "{error}");
    }
    assert_eq!(records(&romeo), before);
    drop(romeo);

    let romeo = open_romeo(settings("romeo@montague.lit", Swearing));
    let decrypted = romeo.decrypt(message).unwrap();
    assert!(matches!(decrypted, Decrypted::Trusted(_)), "{decrypted:?}");
    assert_eq!(text(&decrypted).unwrap(), "swear not by the moon");
    romeo.send(&[&juliet.jid], "what shall I swear by?");
    assert_eq!(juliet.texts(), ["what shall I swear by?"]);
}

/// Trusts every key it is asked about, the last at a level that the policy does not know.
struct Swears;

impl TrustPrompt for Swears {
    fn ask<'a>(&'a self, question: &'a AskTrust) -> Answer<'a> {
        let trusted = question.undecided.iter().map(|key| TrustDecision {
            jid: key.jid.clone(),
            identity_key: key.identity_key,
            level: TrustLevel::TRUSTED,
        });
        let mut decisions: Vec<_> = trusted.collect();
        decisions.last_mut().unwrap().level = sworn();
        Box::pin(std::future::ready(Ok(decisions)))
    }
}

#[test]
fn an_answer_with_a_level_that_the_policy_does_not_know_records_nothing() {
    let server = Server::new();
    let juliet = open(&server, JULIET, "phone");
    let nurse = open(&server, "nurse@capulet.lit", "phone");
    let romeo = asking(&server, Swears);
    let before = records(&romeo);
    let error = romeo
        .encrypt(&[&juliet.jid, &nurse.jid], "it is the east")
        .unwrap_err();
    assert!(is_unknown(&error), "{error}");
    assert_eq!(records(&romeo), before);
    for of in [JULIET, "nurse@capulet.lit"] {
        let device = &devices_of(&romeo, of)[0];
        assert_eq!((device.trust, device.level.as_ref()), (Trust::Undecided, None));
    }
}

/// What an eavesdropper made of a message on its way.
fn forged(message: &IncomingMessage) -> IncomingMessage {
    let mut forged = message.clone();
    let payload = forged.message.payload.as_mut().unwrap();
    payload.ciphertext[0] ^= 1;
    forged
}

#[test]
fn nothing_is_recorded_from_a_key_exchange_that_is_not_authentic() {
    let server = Server::new();
    let romeo = open_with(
        &server,
        settings("romeo@montague.lit", FirstUse),
        "phone",
        MemoryStorage::new(),
    );
    let juliet = open(&server, JULIET, "phone");
    settle(&[&juliet]);
    juliet.send(&[&romeo.jid], "hello");
    let message = loop {
        match romeo.connection.receive().unwrap() {
            Delivery::Message(message) => break message,
            Delivery::DeviceList { namespace, jid, list } => {
                wait(romeo.client.update_device_list(namespace, jid, list)).unwrap();
            }
        }
    };
    let error = romeo.decrypt(forged(&message)).unwrap_err();
    assert!(
        matches!(error, Error::Decrypt(DecryptFailure::Payload(_))),
        "{error}"
    );
    let mut with_key = message.clone();
    let data = &mut with_key.message.recipients[0].keys[0].data;
    *data.last_mut().unwrap() ^= 1;
    romeo.decrypt(with_key).unwrap_err();
    assert!(
        romeo.flush().sent.is_empty(),
        "a forged key exchange was answered"
    );
    // The key of the true one is the first that is used.
    let decrypted = romeo.decrypt(message).unwrap();
    assert_eq!(text(&decrypted).unwrap(), "hello");
    assert_eq!(
        decrypted.received().unwrap().sender.level,
        Some(TrustLevel::BLINDLY_TRUSTED)
    );
}

#[test]
fn a_bundle_with_another_identity_key_opens_no_session() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, JULIET, "phone");
    let mallory = open(&server, "mallory@verona.lit", "phone");
    let known = devices_of(&romeo, JULIET)[0].identity_key.unwrap();
    let bundle = server
        .bundle(&mallory.jid, &Namespace::OMEMO_2, mallory.client.device())
        .unwrap();
    server.publish_bundle(&juliet.jid, &Namespace::OMEMO_2, juliet.client.device(), bundle);
    let Err(Error::Encrypt(EncryptFailure::NoEligibleDevices { skipped, .. })) =
        romeo.encrypt(&[&juliet.jid], "hello")
    else {
        panic!("a false bundle was used")
    };
    let SkipReason::Bundle(BundleFailure::Inconsistent(found)) = &skipped[0].reason else {
        panic!("{skipped:?}")
    };
    assert!(found.known == known && found.presented != known);
}

#[test]
fn a_key_exchange_with_another_identity_key_is_refused() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, JULIET, "phone");
    let mallory = open(&server, "mallory@verona.lit", "phone");
    let known = devices_of(&romeo, JULIET)[0].identity_key.unwrap();
    let mut encrypted = mallory.encrypt(&[&romeo.jid], "I am Juliet").unwrap();
    let mut message = encrypted.messages.remove(0);
    message.sender_device = juliet.client.device();
    let error = romeo
        .decrypt(IncomingMessage {
            sender: juliet.jid.clone(),
            message,
        })
        .unwrap_err();
    let Error::Decrypt(DecryptFailure::PublicDataInconsistency(found)) = error else {
        panic!("{error}")
    };
    assert!(found.known == known && found.presented != known);
    assert_eq!(devices_of(&romeo, JULIET)[0].identity_key, Some(known));
}
