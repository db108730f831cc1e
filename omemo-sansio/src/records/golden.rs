//! What was stored once stays readable: records of each version, as bytes. A form that changes gets a new version byte and
//! a new line here; no line is ever changed.

use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::keys::testing::TestRng;
use crate::keys::{IdentityKeyPair, KeyPair, PublicKey, Signature};
use crate::protocol::{KeyMaterial, Legacy, Omemo2, Protocol};
use crate::ratchet::{Accepted, OwnKeys, Session, SkipLimits, SkippedKeys};
use crate::trust::TrustLevel;
use crate::{BareJid, Bundle, DeviceId, Label, Namespace, PreKeyId, PublicSignedPreKey, Timestamp};

/// A name and the bytes in hexadecimal, a record a line.
const GOLDEN: &str = include_str!("golden.txt");

fn golden(name: &str) -> Vec<u8> {
    let line = GOLDEN
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .unwrap();
    let digits: Vec<u8> = line
        .chars()
        .map(|digit| digit.to_digit(16).unwrap() as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The record is written as it was then, and read from what was written then.
fn check<T: Stored>(name: &str, record: &T) {
    let written = record.encode();
    let hex: String = written
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(written.as_bytes(), golden(name), "{name} {hex}");
    let read = T::decode(&golden(name)).unwrap();
    assert_eq!(read.encode().as_bytes(), golden(name), "{name}");
}

/// What was written then in an older form is read as the same record, and written in the form of today.
fn check_older<T: Stored>(name: &str, record: &T) {
    let read = T::decode(&golden(name)).unwrap();
    assert_eq!(read.encode(), record.encode(), "{name}");
}

pub(super) fn pair(seed: u8) -> KeyPair {
    KeyPair::from_secret([seed; 32])
}

pub(super) fn identity(seed: u8) -> IdentityKeyPair {
    IdentityKeyPair::from_seed([seed; 32])
}

pub(super) const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// A session that was accepted by its fourth message, with the three keys before it skipped.
pub(super) fn session(protocol: &dyn Protocol) -> (Session, SkippedKeys) {
    let accepted = accepted(protocol);
    (accepted.session, accepted.skipped)
}

/// What was encrypted are 48 bytes 0x05.
pub(super) fn accepted(protocol: &dyn Protocol) -> Accepted {
    let (alice, bob) = (identity(1), identity(2));
    let (signed_pre_key, pre_key) = (pair(3), pair(4));
    let mut rng = TestRng::new(7);
    let bundle = Bundle {
        identity_key: *bob.public(),
        signed_pre_key: PublicSignedPreKey {
            id: PreKeyId::new(1),
            key: *signed_pre_key.public(),
            signature: protocol.sign_pre_key(&bob, signed_pre_key.public(), &mut rng),
        },
        pre_keys: [(PreKeyId::new(9), *pre_key.public())].into(),
    };
    let mut hers = Session::initiate(protocol, &alice, &bundle, PreKeyId::new(9), NOW, &mut rng).unwrap();
    let mut last = Vec::new();
    for _ in 0..4 {
        last = hers.encrypt(protocol, alice.public(), &[5; 48]).unwrap().data;
    }
    let incoming = protocol.parse(&last).unwrap();
    let own = OwnKeys {
        identity_key: &bob,
        signed_pre_key: &signed_pre_key,
        pre_key: &pre_key,
    };
    let key_exchange = incoming.key_exchange.unwrap();
    Session::accept(
        protocol,
        own,
        &key_exchange,
        &incoming.message,
        SkipLimits::default(),
        NOW,
        &mut rng,
    )
    .unwrap()
}

/// Each kind of record in each of its versions, one after the other: hence its length.
#[test]
fn records_of_the_first_version_stay_readable() {
    let account = AccountRecord {
        identity: identity(1),
        device: DeviceId::new(4711),
        label: Some("phone".into()),
        accepting_copy: false,
    };
    check_older("account/1", &account);
    check("account/2", &account);
    let signature = Signature::from_bytes([6; 64]);
    check(
        "protocol/1",
        &ProtocolRecord {
            signed_pre_key: SignedPreKey {
                id: PreKeyId::new(2),
                pair: pair(3),
                signature,
                created: NOW,
            },
            retired: Some(RetiredSignedPreKey {
                id: PreKeyId::new(1),
                pair: pair(4),
                expires: NOW + 7,
            }),
            next_signed_pre_key: 3,
            next_pre_key: 101,
        },
    );
    let pre_keys = |kept| {
        let hidden = HiddenPreKey {
            pair: pair(5),
            key_exchanges: [[8; 32]].into(),
            kept,
        };
        PreKeys {
            visible: [(PreKeyId::new(2), pair(6))].into(),
            hidden: [(PreKeyId::new(1), hidden)].into(),
        }
    };
    check_older("prekeys/1", &pre_keys(false));
    check("prekeys/2", &pre_keys(true));
    check(
        "catchup/1",
        &CatchUps {
            runs: [(RunId([9; 16]), NOW)].into(),
        },
    );
    check("mark/1", &Mark);
    check_older("contact/1", &contact(signature, false));
    check("contact/2", &contact(signature, true));
    check(
        "inbox-index/1",
        &InboxIndex {
            next: 8,
            messages: 1,
            bytes: 5,
        },
    );
    check("inbox-message/1", &inbox_message());
    let (session, skipped) = session(&Omemo2);
    check_older("session/1", &session);
    check("session/2", &session);
    check("skipped/1", &skipped);
    let mut archive = Archive::default();
    archive.add(session, skipped, NOW);
    check_older("archive/1", &archive);
    check("archive/1-session/2", &archive);
    let juliet = crate::BareJid::new("juliet@capulet.lit").unwrap();
    let (key, other) = (PublicKey::from_bytes([8; 32]), PublicKey::from_bytes([9; 32]));
    check_older("owed-trust/1", &owed_trust(&juliet, key, other, false));
    check("owed-trust/2", &owed_trust(&juliet, key, other, true));
    check("trust-history/1", &trust_history(juliet, key, other));
}

/// `newer`: with what the second version has besides.
fn owed_trust(of: &crate::BareJid, key: PublicKey, other: PublicKey, newer: bool) -> OwedTrust {
    OwedTrust {
        contacts: [of.clone()].into(),
        looked_over: newer.then_some(TrustLevel::TRUSTED),
        decisions: [
            ((of.clone(), key), Verdict::Trust),
            ((of.clone(), other), Verdict::Distrust),
        ]
        .into(),
    }
}

fn trust_history(owner: crate::BareJid, key: PublicKey, other: PublicKey) -> TrustHistory {
    let decision = |by_person| Decision { at: NOW, by_person };
    let held = |verdict| Held {
        sender: key,
        statement: Statement {
            owner: owner.clone(),
            key: other.into(),
            verdict,
            at: NOW + 1,
        },
    };
    TrustHistory {
        decided: [(key, decision(true)), (other, decision(false))].into(),
        held: [held(Verdict::Trust), held(Verdict::Distrust)].into(),
    }
}

/// A session does not say which protocol it is of: its place does.
#[test]
fn records_of_legacy_sessions_stay_readable() {
    let (session, skipped) = session(&Legacy);
    check_older("legacy-session/1", &session);
    check("legacy-session/2", &session);
    check("legacy-skipped/1", &skipped);
    let mut archive = Archive::default();
    archive.add(session, skipped, NOW);
    check_older("legacy-archive/1", &archive);
    check("legacy-archive/1-session/2", &archive);
}

pub(super) fn inbox_message() -> InboxMessage {
    InboxMessage {
        number: 7,
        decrypted: NOW,
        sender: BareJid::new("juliet@capulet.lit").unwrap(),
        device: DeviceId::new(4711),
        identity_key: *identity(1).public(),
        namespace: Namespace::OMEMO_2,
        new_session: true,
        key_material: KeyMaterial::new(&[5; 32], &[5; 16]),
        plaintext: Some(b"hello".to_vec().into()),
    }
}

/// `newer`: with what the second version has besides.
fn contact(signature: Signature, newer: bool) -> Contact {
    let day = |number: u64| newer.then(|| Day::of(Timestamp::from_unix(number * 86_400)));
    let device = ContactDevice {
        protocols: [(Namespace::OMEMO_2, true), (Namespace::LEGACY, false)]
            .into_iter()
            .collect(),
        identity: Some(*identity(1).public()),
        claimed_label: Some(Label {
            text: "laptop".into(),
            signature,
        }),
        label_verified: true,
        repaired: Some(NOW),
        listed: day(20_833),
        heard: day(20_834),
    };
    let relisted = Relisted { times: 2, since: NOW };
    Contact {
        devices: [
            (DeviceId::new(1), device),
            (DeviceId::new(2), ContactDevice::default()),
        ]
        .into_iter()
        .collect(),
        refreshed: [(Namespace::OMEMO_2, NOW)].into_iter().collect(),
        trust: [(identity(1).public().curve25519(), TrustLevel::TRUSTED)]
            .into_iter()
            .collect(),
        relisted: newer
            .then_some((Namespace::OMEMO_2, relisted))
            .into_iter()
            .collect(),
    }
}
