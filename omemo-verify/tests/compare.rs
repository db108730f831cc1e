//! What a URI says about known devices.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use omemo_sansio::keys::{Fingerprint, IdentityKey, IdentityKeyPair};
use omemo_sansio::trust::Trust;
use omemo_sansio::{BareJid, DeviceId, DeviceInformation, Devices};
use omemo_verify::{Finding, VerificationUri, compare};

fn key(seed: u8) -> IdentityKey {
    *IdentityKeyPair::from_seed([seed; 32]).public()
}

fn device(id: u32, identity_key: Option<IdentityKey>) -> DeviceInformation {
    DeviceInformation {
        heard: None,
        listed: None,
        device: DeviceId::new(id),
        protocols: Default::default(),
        identity_key,
        trust: Trust::Undecided,
        level: None,
        label: None,
        is_own: false,
    }
}

fn uri(fingerprints: &[(u32, Fingerprint)]) -> VerificationUri {
    VerificationUri {
        jid: BareJid::new("romeo@montague.lit").unwrap(),
        fingerprints: fingerprints
            .iter()
            .map(|(id, fingerprint)| (DeviceId::new(*id), *fingerprint))
            .collect(),
    }
}

#[test]
fn each_device_is_compared_by_itself() {
    let known = Devices {
        devices: vec![
            device(1, Some(key(1))),
            device(2, Some(key(2))),
            device(3, Some(key(3))),
            device(4, None),
        ],
        unlisted: Vec::new(),
        unidentified: Vec::new(),
    };
    // Device 2 bears the key of device 1: that a key is known elsewhere does not make it right here.
    let scanned = uri(&[
        (1, key(1).fingerprint()),
        (2, key(1).fingerprint()),
        (4, key(4).fingerprint()),
        (5, key(5).fingerprint()),
    ]);
    let findings: Vec<_> = compare(&scanned, &known).into_iter().collect();
    assert_eq!(
        findings,
        [
            (DeviceId::new(1), Finding::Matches(key(1))),
            (
                DeviceId::new(2),
                Finding::Differs {
                    known: key(2),
                    expected: key(1).fingerprint(),
                }
            ),
            (DeviceId::new(3), Finding::NotCompared(Some(key(3)))),
            (DeviceId::new(4), Finding::NotCompared(None)),
            (DeviceId::new(5), Finding::Unknown(key(5).fingerprint())),
        ]
    );
}

#[test]
fn the_sign_of_the_key_does_not_matter() {
    let other = IdentityKey::from_curve25519(key(1).curve25519(), key(1).ed25519()[31] >> 7 == 0).unwrap();
    assert_ne!(other.ed25519(), key(1).ed25519());
    let known = Devices {
        devices: vec![device(1, Some(other))],
        unlisted: Vec::new(),
        unidentified: Vec::new(),
    };
    let findings = compare(&uri(&[(1, key(1).fingerprint())]), &known);
    assert_eq!(findings.get(&DeviceId::new(1)), Some(&Finding::Matches(key(1))));
}
