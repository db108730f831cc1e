//! What was stored once stays readable: records of each version, as bytes. A form that changes gets a new version byte and
//! a new line here; no line is ever changed.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::keys::testing::TestRng;
use crate::keys::{IdentityKeyPair, KeyPair, PublicKey, Signature};
use crate::protocol::{Omemo2, Protocol};
use crate::ratchet::{Limits, OwnKeys, Session, SkippedKeys};
use crate::trust::TrustLevel;
use crate::{Bundle, DeviceId, Label, Namespace, PreKeyId, PublicSignedPreKey, Timestamp};

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

fn pair(seed: u8) -> KeyPair {
    KeyPair::from_secret([seed; 32])
}

fn identity(seed: u8) -> IdentityKeyPair {
    IdentityKeyPair::from_seed([seed; 32])
}

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// A session that was accepted by its fourth message, with the three keys before it skipped.
fn session() -> (Session, SkippedKeys) {
    let (alice, bob) = (identity(1), identity(2));
    let (signed_pre_key, pre_key) = (pair(3), pair(4));
    let mut rng = TestRng::new(7);
    let bundle = Bundle {
        identity_key: *bob.public(),
        signed_pre_key: PublicSignedPreKey {
            id: PreKeyId::new(1),
            key: *signed_pre_key.public(),
            signature: Omemo2.sign_pre_key(&bob, signed_pre_key.public(), &mut rng),
        },
        pre_keys: [(PreKeyId::new(9), *pre_key.public())].into(),
    };
    let mut hers = Session::initiate(&Omemo2, &alice, &bundle, PreKeyId::new(9), NOW, &mut rng).unwrap();
    let mut last = Vec::new();
    for _ in 0..4 {
        last = hers.encrypt(&Omemo2, alice.public(), &[5; 48]).unwrap().data;
    }
    let incoming = Omemo2.parse(&last).unwrap();
    let own = OwnKeys {
        identity_key: &bob,
        signed_pre_key: &signed_pre_key,
        pre_key: &pre_key,
    };
    let key_exchange = incoming.key_exchange.unwrap();
    let accepted = Session::accept(
        &Omemo2,
        own,
        &key_exchange,
        &incoming.message,
        Limits::default(),
        NOW,
        &mut rng,
    )
    .unwrap();
    (accepted.session, accepted.skipped)
}

#[test]
fn records_of_the_first_version_stay_readable() {
    let account = AccountRecord {
        identity: identity(1),
        device: DeviceId::new(4711),
        label: Some("phone".into()),
    };
    check("account/1", &account);
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
    let hidden = HiddenPreKey {
        pair: pair(5),
        base_keys: [PublicKey::from_bytes([8; 32])].into(),
    };
    let pre_keys = PreKeys {
        visible: [(PreKeyId::new(2), pair(6))].into(),
        hidden: [(PreKeyId::new(1), hidden)].into(),
    };
    check("prekeys/1", &pre_keys);
    check(
        "catchup/1",
        &CatchUps {
            runs: [(RunId([9; 16]), NOW)].into(),
        },
    );
    check("mark/1", &Mark);
    check("contact/1", &contact(signature));
    let (session, skipped) = session();
    check("session/1", &session);
    check("skipped/1", &skipped);
    let mut archive = Archive::default();
    archive.add(session, skipped, NOW);
    check("archive/1", &archive);
}

fn contact(signature: Signature) -> Contact {
    let device = ContactDevice {
        protocols: [(Namespace::OMEMO_2, true), (Namespace::LEGACY, false)].into(),
        identity: Some(*identity(1).public()),
        claimed_label: Some(Label {
            text: "laptop".into(),
            signature,
        }),
        label_verified: true,
        repaired: Some(NOW),
    };
    Contact {
        devices: [
            (DeviceId::new(1), device),
            (DeviceId::new(2), ContactDevice::default()),
        ]
        .into(),
        refreshed: [(Namespace::OMEMO_2, NOW)].into(),
        trust: [(identity(1).public().curve25519(), TrustLevel::TRUSTED)].into(),
    }
}

#[test]
fn no_record_shows_its_secrets() {
    let (session, skipped) = session();
    let account = AccountRecord {
        identity: identity(0xab),
        device: DeviceId::new(1),
        label: None,
    };
    let pre_keys = PreKeys {
        visible: [(PreKeyId::new(2), pair(0xab))].into(),
        hidden: [].into(),
    };
    let shown = format!("{account:?}\n{pre_keys:?}\n{session:?}\n{skipped:?}\n");
    // Public keys, numbers and counts; where a secret is, two dots.
    assert_eq!(shown, include_str!("golden_debug.txt"));
    assert!(!shown.contains("abab") && !shown.contains("171, 171"), "{shown}");
}
