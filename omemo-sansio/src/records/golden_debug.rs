//! What holds secrets shows none of them: what `Debug` prints of each, to the letter.

use alloc::format;
use alloc::string::String;
use core::fmt::Debug;

use super::golden::{NOW, accepted, identity, inbox_message, pair, session};
use super::*;
use crate::engine::Leftovers;
use crate::keys::{PublicKey, Signature};
use crate::protocol::{AssociatedData, Omemo2, Role};
use crate::ratchet::{ChainParts, SessionParts, SkippedPart};
use crate::transfer::{
    Backup, ImportedAccount, ImportedContact, ImportedDevice, ImportedProtocol, ImportedSignedPreKey,
    RetiredPreKey,
};
use crate::trust::TrustLevel;
use crate::{BareJid, DeviceId, Namespace, PreKeyId};

/// Secrets are made of these bytes alone, where they are not derived.
const SECRET: u8 = 0xab;

fn jid() -> BareJid {
    BareJid::new("juliet@capulet.lit").unwrap()
}

fn protocol_record() -> ProtocolRecord {
    ProtocolRecord {
        signed_pre_key: SignedPreKey {
            id: PreKeyId::new(2),
            pair: pair(SECRET),
            signature: Signature::from_bytes([6; 64]),
            created: NOW,
        },
        retired: Some(RetiredSignedPreKey {
            id: PreKeyId::new(1),
            pair: pair(SECRET),
            expires: NOW + 7,
        }),
        next_signed_pre_key: 3,
        next_pre_key: 101,
    }
}

fn pre_keys() -> PreKeys {
    let hidden = HiddenPreKey {
        pair: pair(SECRET),
        key_exchanges: [[8; 32]].into(),
        kept: true,
    };
    PreKeys {
        visible: [(PreKeyId::new(2), pair(SECRET))].into(),
        hidden: [(PreKeyId::new(1), hidden)].into(),
    }
}

fn backup() -> Backup {
    Backup {
        jid: jid(),
        identity: identity(SECRET),
        device: DeviceId::new(1),
        label: Some("phone".into()),
        trust: [(
            jid(),
            [(PublicKey::from_bytes([8; 32]), TrustLevel::TRUSTED)].into(),
        )]
        .into(),
    }
}

/// A session as another implementation has kept it.
fn parts() -> SessionParts {
    let chain = || ChainParts {
        length: 1,
        key: [SECRET; 32].into(),
    };
    SessionParts {
        role: Role::Initiator,
        peer: *identity(1).public(),
        associated_data: AssociatedData {
            initiator: [1; 32],
            responder: [2; 32],
        },
        pre_key: PreKeyId::new(1),
        signed_pre_key: PreKeyId::new(1),
        base_key: PublicKey::from_bytes([3; 32]),
        confirmed: true,
        own_ratchet: pair(SECRET),
        peer_ratchet: PublicKey::from_bytes([4; 32]),
        root_key: [SECRET; 32].into(),
        sending: chain(),
        receiving: Some(chain()),
        previous_sending: 0,
        skipped: [SkippedPart {
            ratchet_key: PublicKey::from_bytes([5; 32]),
            n: 0,
            message_key: [SECRET; 32].into(),
        }]
        .into(),
    }
}

fn imported() -> ImportedAccount {
    let protocol = ImportedProtocol {
        signed_pre_key: Some(ImportedSignedPreKey {
            id: PreKeyId::new(2),
            pair: pair(SECRET),
            signature: Signature::from_bytes([6; 64]),
            created: NOW,
        }),
        retired: Some(RetiredPreKey {
            id: PreKeyId::new(1),
            pair: pair(SECRET),
        }),
        pre_keys: [(PreKeyId::new(3), pair(SECRET))].into(),
        last_pre_key: 3,
        owed_replies: [(jid(), DeviceId::new(2))].into(),
    };
    let device = ImportedDevice {
        protocols: [(Namespace::OMEMO_2, true)].into(),
        identity: Some(*identity(1).public()),
        sessions: [(Namespace::OMEMO_2, parts())].into(),
    };
    let contact = ImportedContact {
        devices: [(DeviceId::new(2), device)].into(),
        trust: [(PublicKey::from_bytes([8; 32]), TrustLevel::TRUSTED)].into(),
    };
    ImportedAccount {
        identity: identity(SECRET),
        device: DeviceId::new(1),
        label: Some("phone".into()),
        protocols: [(Namespace::OMEMO_2, protocol)].into(),
        contacts: [(jid(), contact)].into(),
    }
}

#[test]
fn nothing_that_holds_secrets_shows_them() {
    let account = AccountRecord {
        identity: identity(SECRET),
        device: DeviceId::new(1),
        label: None,
        accepting_copy: false,
    };
    let (live, skipped) = session(&Omemo2);
    let mut archive = Archive::default();
    let (replaced, its_skipped) = session(&Omemo2);
    archive.add(replaced, its_skipped, NOW);
    let (protocol, pre_keys, backup, imported) = (protocol_record(), pre_keys(), backup(), imported());
    let all: [&dyn Debug; 9] = [
        &account,
        &pre_keys,
        &live,
        &skipped,
        &protocol,
        &archive,
        &backup,
        &imported,
        &Leftovers::default(),
    ];
    let shown: String = all.iter().map(|one| format!("{one:?}\n")).collect();
    // Public keys, numbers and counts; where a secret is, two dots.
    assert_eq!(shown, include_str!("golden_debug.txt"));
    assert!(!shown.contains("abab") && !shown.contains("171, 171"), "{shown}");
}

/// What was decrypted least of all: here 0x05, and "hello".
#[test]
fn nothing_that_holds_what_was_decrypted_shows_it() {
    let decrypted = format!("{:?}\n{:?}", accepted(&Omemo2), inbox_message());
    for secret in ["0505", "5, 5", "104, 101", "hello"] {
        assert!(!decrypted.contains(secret), "{decrypted}");
    }
}
