//! Automatic trust management (XEP-0450), rule by rule, and from end to end.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/damage.rs"]
mod damage;

mod clock;
mod conversation;
mod damaged;
mod earlier;
mod held;
mod other_policies;
mod receiving;
mod sending;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::{Device, jid, open_with};
use omemo::blocking::wait;
use omemo::keys::{IdentityKey, IdentityKeyPair};
use omemo::local::Server;
use omemo::trust::{AutomaticTrustManagement, KeyIdentifier, KeyOwner, Trust, TrustLevel, TrustMessage};
use omemo::{
    DeviceId, Ignored, Namespace, OwedTrustMessages, Sender, Settings, Timestamp, TrustMessageOutcome,
};
use omemo_storage::Metered;
use omemo_storage_memory::MemoryStorage;

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.com";
const CAROL: &str = "carol@example.net";

/// The keys of devices that are not there, by number.
fn key(number: u8) -> IdentityKey {
    *IdentityKeyPair::from_seed([number; 32]).public()
}

/// A device whose trust is managed automatically.
fn open(server: &Server, of: &str, name: &str) -> Device {
    let settings = Settings {
        trust: Arc::new(AutomaticTrustManagement),
        ..Settings::new(jid(of))
    };
    open_with(
        server,
        settings,
        name,
        Arc::new(Metered::new(MemoryStorage::new())),
    )
}

fn alice() -> Device {
    open(&Server::new(), ALICE, "A1")
}

fn set(device: &Device, of: &str, key: IdentityKey, level: TrustLevel) {
    wait(device.client.set_trust(jid(of), key, level)).unwrap();
}

fn authenticate(device: &Device, of: &str, key: IdentityKey) {
    set(device, of, key, TrustLevel::TRUSTED);
}

fn distrust(device: &Device, of: &str, key: IdentityKey) {
    set(device, of, key, TrustLevel::DISTRUSTED);
}

fn owed(device: &Device) -> OwedTrustMessages {
    wait(device.client.owed_trust_messages()).unwrap()
}

/// Takes note that all that is owed was sent.
fn settle_debts(device: &Device) {
    wait(device.client.trust_messages_sent(owed(device))).unwrap();
    assert_eq!(owed(device), OwedTrustMessages::default());
}

/// What is owed, readable: to whom, whose key, which, and whether it is trusted.
fn told(device: &Device) -> BTreeSet<(String, String, u8, bool)> {
    let names: Vec<_> = (0..=255)
        .map(|number| KeyIdentifier::from(key(number).curve25519()))
        .collect();
    let number = |key: &KeyIdentifier| names.iter().position(|name| name == key).unwrap() as u8;
    let mut told = BTreeSet::new();
    for message in owed(device).messages {
        assert_eq!(message.message.encryption, Namespace::OMEMO_2);
        for owner in message.message.owners {
            let mut tell = |key, trusted| {
                told.insert((
                    message.to.to_string(),
                    owner.jid.to_string(),
                    number(key),
                    trusted,
                ));
            };
            owner.trust.iter().for_each(|key| tell(key, true));
            owner.distrust.iter().for_each(|key| tell(key, false));
        }
    }
    told
}

fn expected(all: &[(&str, &str, u8, bool)]) -> BTreeSet<(String, String, u8, bool)> {
    let owned =
        |(to, of, key, trusted): &(&str, &str, u8, bool)| (to.to_string(), of.to_string(), *key, *trusted);
    all.iter().map(owned).collect()
}

/// Who sent a message, as decrypting tells.
fn sender(of: &str, key: IdentityKey) -> Sender {
    Sender {
        jid: jid(of),
        device: DeviceId::new(1),
        identity_key: key,
        trust: Trust::Undecided,
        level: None,
    }
}

/// What is said about the keys of one account.
fn saying(of: &str, trust: &[u8], distrust: &[u8]) -> TrustMessage {
    let named = |numbers: &[u8]| {
        numbers
            .iter()
            .map(|number| KeyIdentifier::from(key(*number).curve25519()))
            .collect()
    };
    TrustMessage {
        encryption: Namespace::OMEMO_2,
        owners: vec![KeyOwner {
            jid: jid(of),
            trust: named(trust),
            distrust: named(distrust),
        }],
    }
}

/// Receives what the key with a number has said at a time.
fn hear(device: &Device, from: &str, by: u8, at: u64, message: TrustMessage) -> TrustMessageOutcome {
    let sent = Timestamp::from_unix(at);
    wait(
        device
            .client
            .receive_trust_message(sender(from, key(by)), sent, message),
    )
    .unwrap()
}

/// The keys that have changed, by number, and whether they are trusted now.
fn changed(outcome: &TrustMessageOutcome) -> Vec<(String, u8, bool)> {
    let number = |fingerprint| {
        (0..=255)
            .find(|number| key(*number).fingerprint() == fingerprint)
            .unwrap()
    };
    outcome
        .changed
        .iter()
        .map(|change| {
            let trusted = match &change.level {
                level if *level == TrustLevel::TRUSTED => true,
                level if *level == TrustLevel::DISTRUSTED => false,
                other => panic!("{other:?}"),
            };
            (change.jid.to_string(), number(change.key), trusted)
        })
        .collect()
}

fn reasons(outcome: &TrustMessageOutcome) -> Vec<Ignored> {
    outcome.ignored.iter().map(|ignored| ignored.reason).collect()
}
