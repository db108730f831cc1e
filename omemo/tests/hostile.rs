//! Bad input: typed errors, nothing lost, nothing unbounded.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Device, jid, open, open_on, records, settle, text};
use omemo::blocking::wait;
use omemo::local::{Delivery, Server};
use omemo::{
    BundleFailure, DeviceId, DeviceList, EncryptFailure, Error, IncomingMessage, Namespace, SkipReason,
};
use omemo_sansio::keys::Signature;
use omemo_sansio::{DeviceEntry, KeyElement, MAX_DEVICES, MAX_PAYLOAD};
use omemo_storage::{Batch, CommitId, Committed, Key, Query, Revision, Storage, Value};
use omemo_storage_memory::MemoryStorage;
use proptest::collection::vec;
use proptest::prelude::*;

type Records = BTreeMap<Key, Vec<u8>>;

const OMEMO_2: Namespace = Namespace::OMEMO_2;

fn next_message<S: Storage>(device: &Device<S>) -> IncomingMessage {
    loop {
        if let Delivery::Message(message) = device.connection.receive().unwrap() {
            return message;
        }
    }
}

/// What can be done to a message on its way.
#[derive(Clone, Debug)]
enum Mischief {
    FlipKey(usize, u8),
    CutKey(usize),
    ReplaceKey(Vec<u8>),
    RepeatKey,
    FlipPayload(usize, u8),
    CutPayload(usize),
    NoPayload,
    OtherDevice(u32),
}

impl Mischief {
    fn on(self, message: &mut IncomingMessage) {
        let elements: Vec<&mut KeyElement> = message
            .message
            .recipients
            .iter_mut()
            .flat_map(|recipient| &mut recipient.keys)
            .collect();
        for element in elements {
            let length = element.data.len();
            match &self {
                Self::FlipKey(at, bits) => element.data[at % length] ^= bits,
                Self::CutKey(at) => element.data.truncate(at % length),
                Self::ReplaceKey(bytes) => element.data.clone_from(bytes),
                _ => {}
            }
        }
        if let Self::RepeatKey = self {
            let first = message.message.recipients[0].keys[0].clone();
            message.message.recipients[0].keys.insert(
                0,
                KeyElement {
                    data: vec![8, 1],
                    ..first
                },
            );
        }
        let payload = &mut message.message.payload;
        match (self, payload.as_mut()) {
            (Self::FlipPayload(at, bits), Some(payload)) => {
                let length = payload.ciphertext.len();
                payload.ciphertext[at % length] ^= bits;
            }
            (Self::CutPayload(at), Some(payload)) => {
                let length = payload.ciphertext.len();
                payload.ciphertext.truncate(at % length);
            }
            (Self::NoPayload, _) => *payload = None,
            (Self::OtherDevice(id), _) => message.message.sender_device = DeviceId::new(id),
            _ => {}
        }
    }
}

fn mischief() -> impl Strategy<Value = Mischief> {
    prop_oneof![
        (any::<usize>(), 1..=255_u8).prop_map(|(at, bits)| Mischief::FlipKey(at, bits)),
        any::<usize>().prop_map(Mischief::CutKey),
        vec(any::<u8>(), 0..300).prop_map(Mischief::ReplaceKey),
        Just(Mischief::RepeatKey),
        (any::<usize>(), 1..=255_u8).prop_map(|(at, bits)| Mischief::FlipPayload(at, bits)),
        any::<usize>().prop_map(Mischief::CutPayload),
        Just(Mischief::NoPayload),
        any::<u32>().prop_map(Mischief::OtherDevice),
    ]
}

/// Romeo writes twice: the first message is a key exchange, the second, after an answer, is not.
fn two_messages(server: &Server) -> (Device, Vec<(Device<MemoryStorage>, IncomingMessage)>) {
    let romeo = open(server, "romeo@montague.lit", "phone");
    let mut deliveries = Vec::new();
    for (name, answered) in [("juliet@capulet.lit", false), ("nurse@capulet.lit", true)] {
        let other = open_on(server, name, "phone", MemoryStorage::new());
        if answered {
            romeo.send(&[&other.jid], "hello");
            other.texts();
            romeo.texts();
        }
        romeo.send(&[&other.jid], "the truth");
        let message = next_message(&other);
        deliveries.push((other, message));
    }
    (romeo, deliveries)
}

/// Whether nothing is another than before but for what is documented: a session that is owed, which the contact notes too; and that
/// its list was asked for, because of a device that is not on it.
fn is_as_before(before: &Records, after: &Records, mischief: &Mischief) -> bool {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut changed = keys.into_iter().filter(|key| before.get(key) != after.get(key));
    let is_owed = |key: &&Key| key.item.as_str().starts_with("outbox/repair/");
    let owes_more = after.keys().filter(is_owed).count() > before.keys().filter(is_owed).count();
    let may_be_noted = owes_more || matches!(mischief, Mischief::OtherDevice(_));
    changed.all(|key| match (key.partition.as_str(), key.item.as_str()) {
        ("own", _) => is_owed(&key),
        (of, "contact") => of == "contact/romeo@montague.lit" && may_be_noted,
        _ => false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_message_that_was_tampered_with_does_no_harm(tampering in vec(mischief(), 1..8)) {
        let server = Server::new();
        let (_romeo, deliveries) = two_messages(&server);
        for (juliet, message) in deliveries {
            // The list is kept however a message ends.
            wait(juliet.client.refresh_device_list(OMEMO_2, message.sender.clone())).unwrap();
            for mischief in tampering.clone() {
                let mut tampered = message.clone();
                mischief.clone().on(&mut tampered);
                let before = records(&juliet);
                match juliet.decrypt(tampered) {
                    Ok(_) => prop_assert!(false, "{:?} went unnoticed", mischief),
                    Err(error) => {
                        let expected = matches!(error, Error::Decrypt(_) | Error::TooLarge { .. });
                        prop_assert!(expected, "{:?}: {:?}", mischief, error);
                    }
                }
                prop_assert!(is_as_before(&before, &records(&juliet), &mischief), "{:?} has changed something", mischief);
            }
            prop_assert_eq!(text(&juliet.decrypt(message).unwrap()).unwrap(), "the truth");
        }
    }

    #[test]
    fn damaged_records_are_named_and_harm_nothing(cut in any::<usize>(), flip in any::<usize>(), bits in 1..=255_u8) {
        let server = Server::new();
        let romeo = open_on(&server, "romeo@montague.lit", "phone", MemoryStorage::new());
        let juliet = open(&server, "juliet@capulet.lit", "phone");
        romeo.send(&[&juliet.jid], "hello");
        juliet.texts();
        romeo.texts();
        let account = omemo_storage::AccountId::new("romeo@montague.lit").unwrap();
        let storage = romeo.client.storage();
        for info in wait(storage.records(&account, None, 100)).unwrap().entries {
            let original = read(storage, &account, &info.key);
            let truncated = original[..cut % original.len()].to_vec();
            let mut flipped = original.clone();
            flipped[flip % original.len()] ^= bits;
            for (damaged, must_fail) in [(truncated, true), (flipped, false)] {
                write(storage, &account, &info.key, damaged);
                juliet.send(&[&romeo.jid], "are you there?");
                let acts: [(&str, &dyn Fn() -> Option<Error>); 4] = [
                    ("encrypt", &|| romeo.encrypt(&[&juliet.jid], "yes").err()),
                    ("receive", &|| romeo.receive().pop().and_then(Result::err)),
                    ("maintain", &|| wait(romeo.client.maintain()).err()),
                    ("look", &|| wait(romeo.client.device_information(juliet.jid.clone())).err()),
                ];
                let mut outcomes = Vec::new();
                for (name, act) in acts {
                    let before = records(&romeo);
                    if let Some(error) = act() {
                        prop_assert!(records(&romeo) == before, "{} has changed something: {:?}", name, error);
                        outcomes.push(error);
                    }
                }
                let named = outcomes.iter().any(|error| {
                    matches!(error, Error::Corrupt { partition, item, .. }
                        if *partition == info.key.partition.as_str() && *item == info.key.item.as_str())
                });
                prop_assert!(named || !must_fail, "{:?} of {:?}", outcomes, info.key);
                write(storage, &account, &info.key, original.clone());
            }
        }
    }
}

fn read(storage: &MemoryStorage, account: &omemo_storage::AccountId, key: &Key) -> Vec<u8> {
    let mut query = Query::new();
    query.records.insert(key.clone());
    wait(storage.load(account, &query)).unwrap().records[key]
        .value
        .as_bytes()
        .to_vec()
}

fn revision(storage: &MemoryStorage, account: &omemo_storage::AccountId, key: &Key) -> Option<Revision> {
    let mut query = Query::new();
    query.records.insert(key.clone());
    wait(storage.load(account, &query))
        .unwrap()
        .records
        .get(key)
        .map(|record| record.revision)
}

fn write(storage: &MemoryStorage, account: &omemo_storage::AccountId, key: &Key, bytes: Vec<u8>) {
    let mut id = [0; 16];
    getrandom::fill(&mut id).unwrap();
    let mut batch = Batch::new(CommitId::from_bytes(id));
    batch.put(key.clone(), revision(storage, account, key), Value::from(bytes));
    assert_eq!(wait(storage.commit(account, &batch)).unwrap(), Committed::Applied);
}

#[test]
fn bundles_that_cannot_be_used_are_left_out_with_their_reason() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let device = juliet.client.device();
    let good = server.bundle(&juliet.jid, &OMEMO_2, device).unwrap();
    let mut unsigned = good.clone();
    let mut signature = *unsigned.signed_pre_key.signature.as_bytes();
    signature[7] ^= 1;
    unsigned.signed_pre_key.signature = Signature::from_bytes(signature);
    let mut empty = good.clone();
    empty.pre_keys.clear();
    for (bundle, what) in [(unsigned, "signature"), (empty, "no pre key")] {
        server.publish_bundle(&juliet.jid, &OMEMO_2, device, bundle);
        let Err(Error::Encrypt(EncryptFailure::NoEligibleDevices { skipped, .. })) =
            romeo.encrypt(&[&juliet.jid], "hello")
        else {
            panic!("a bundle was used: {what}")
        };
        let SkipReason::Bundle(failure) = &skipped[0].reason else {
            panic!("{skipped:?}")
        };
        match failure {
            BundleFailure::Invalid(_) => assert_eq!(what, "signature"),
            BundleFailure::NoPreKeys => assert_eq!(what, "no pre key"),
            other => panic!("{other:?}"),
        }
    }
    server.publish_bundle(&juliet.jid, &OMEMO_2, device, good);
    romeo.send(&[&juliet.jid], "hello");
    assert_eq!(juliet.texts(), ["hello"]);
}

#[test]
fn a_device_list_without_end_is_cut() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let list = |from: u32| DeviceList {
        devices: (from..from + 100_000)
            .map(|id| (DeviceId::new(id), DeviceEntry::default()))
            .collect(),
    };
    for from in [1, 1_000_000, 2_000_000] {
        let change = wait(
            romeo
                .client
                .update_device_list(OMEMO_2, jid("juliet@capulet.lit"), list(from)),
        )
        .unwrap();
        assert_eq!(change.added.len(), MAX_DEVICES);
    }
    // Those of the lists before are not kept for ever.
    let devices = wait(romeo.client.device_information(jid("juliet@capulet.lit"))).unwrap();
    assert_eq!(devices.devices.len(), MAX_DEVICES);
}

#[test]
fn more_than_is_taken_is_refused() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    settle(&[&romeo, &juliet]);
    let mut message = romeo.encrypt(&[&juliet.jid], "hello").unwrap().messages.remove(0);
    message.payload.as_mut().unwrap().ciphertext = vec![0; MAX_PAYLOAD + 17];
    let error = juliet
        .decrypt(IncomingMessage {
            sender: romeo.jid.clone(),
            message: message.clone(),
        })
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLarge {
                what: "a payload",
                ..
            }
        ),
        "{error}"
    );
    message.payload = None;
    let one = message.recipients[0].keys[0].clone();
    message.recipients[0].keys = vec![one; 10_001];
    let error = juliet
        .decrypt(IncomingMessage {
            sender: romeo.jid.clone(),
            message,
        })
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLarge {
                what: "a number of key elements",
                ..
            }
        ),
        "{error}"
    );
}
