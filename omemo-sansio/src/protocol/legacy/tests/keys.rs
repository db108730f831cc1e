//! Keys, signatures, and what is derived.

use super::*;
use crate::keys::testing::TestRng;

fn pair(sign: bool) -> IdentityKeyPair {
    (0..)
        .map(|seed| IdentityKeyPair::from_seed([seed; 32]))
        .find(|pair| (pair.public().ed25519()[31] >> 7 == 1) == sign)
        .unwrap()
}

#[test]
fn wire_note_02_the_signature_is_over_33_bytes() {
    let own = pair(false);
    let key = PublicKey::from_bytes([7; 32]);
    let signature = Legacy.sign_pre_key(&own, &key, &mut TestRng::new(1));
    let signed = [&[5], [7; 32].as_slice()].concat();
    assert_eq!(own.public().verify(&signed, &signature), Ok(()));
    assert_eq!(own.public().verify(&[7; 32], &signature), Err(InvalidSignature));
    let signed = PublicSignedPreKey {
        id: PreKeyId::new(1),
        key,
        signature,
    };
    assert_eq!(Legacy.verify_pre_key(own.public(), &signed), Ok(()));
    let other = PublicSignedPreKey {
        key: PublicKey::from_bytes([8; 32]),
        ..signed
    };
    assert_eq!(Legacy.verify_pre_key(own.public(), &other), Err(InvalidSignature));
}

/// Whoever signs by a seed or a scalar of either sign: the reader knows the Curve25519 form, and the sign from the wire.
#[test]
fn wire_note_03_a_signature_verifies_with_the_sign_that_comes_with_it() {
    for own in [pair(false), pair(true)] {
        let key = PublicKey::from_bytes([7; 32]);
        let signature = Legacy.sign_pre_key(&own, &key, &mut TestRng::new(1));
        assert_eq!(signature.as_bytes()[63] & 0x80, 0, "the bit is free for the sign");
        let signed = PublicSignedPreKey {
            id: PreKeyId::new(1),
            key,
            signature,
        };
        let sign = own.public().ed25519()[31] >> 7 == 1;
        let read = |sign| IdentityKey::from_curve25519(own.public().curve25519(), sign).unwrap();
        assert_eq!(Legacy.verify_pre_key(&read(sign), &signed), Ok(()));
        assert_eq!(
            Legacy.verify_pre_key(&read(!sign), &signed),
            Err(InvalidSignature)
        );
    }
}

#[test]
fn wire_note_04_a_key_exchange_does_not_know_the_sign() {
    let read = Legacy.parse(&wrapped()).unwrap().key_exchange.unwrap();
    assert_eq!(read.identity_key, key_exchange().identity_key);
    assert_ne!(read.identity_key.ed25519(), key_exchange().identity_key.ed25519());
    assert!(!Legacy.presents_ed25519());
    // So nothing that is authenticated may depend on it.
    let data = |key: &IdentityKey| Legacy.associated_data(key, key);
    assert_eq!(data(&read.identity_key), data(&key_exchange().identity_key));
}

/// An imported identity is a clamped scalar, whose sign is whatever comes out.
#[test]
fn wire_note_06_a_scalar_of_either_sign_signs_right() {
    let mut signs = [false; 2];
    for byte in 0..8 {
        let scalar = curve25519_dalek::scalar::clamp_integer([byte; 32]);
        let own = IdentityKeyPair::from_private_scalar(scalar).unwrap();
        let sign = own.public().ed25519()[31] >> 7 == 1;
        signs[usize::from(sign)] = true;
        let signature = Legacy.sign_pre_key(&own, &PublicKey::from_bytes([7; 32]), &mut TestRng::new(1));
        let signed = PublicSignedPreKey {
            id: PreKeyId::new(1),
            key: PublicKey::from_bytes([7; 32]),
            signature,
        };
        let read = IdentityKey::from_curve25519(own.public().curve25519(), sign).unwrap();
        assert_eq!(Legacy.verify_pre_key(&read, &signed), Ok(()));
    }
    assert_eq!(signs, [true; 2]);
}

#[test]
fn wire_note_07_the_infos_are_those_of_whisper() {
    let KdfInfo {
        key_agreement,
        root_chain,
        message_keys,
    } = Legacy.kdf_info();
    assert_eq!(key_agreement, b"WhisperText");
    assert_eq!(root_chain, b"WhisperRatchet");
    assert_eq!(message_keys, b"WhisperMessageKeys");
}

#[test]
fn key_elements_do_not_name_the_account_they_are_for() {
    assert!(!Legacy.names_recipients());
}

#[test]
fn wire_note_32_there_are_no_labels() {
    assert!(!Legacy.supports_labels());
}
