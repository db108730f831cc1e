//! Sessions of legacy OMEMO, where they differ.

use super::*;
use crate::keys::{IdentityKey, IdentityKeyPair, InvalidSignature, PublicKey, Signature};
use crate::protocol::{
    AssociatedData, Header, Incoming, KdfInfo, KeyExchange, KeyMaterial, PayloadError, Role, WireError,
    WithoutPayload,
};
use crate::{Namespace, Payload};

fn flipped(key: IdentityKey) -> IdentityKey {
    let mut ed25519 = *key.ed25519();
    ed25519[31] ^= 0x80;
    IdentityKey::from_ed25519(ed25519).unwrap()
}

/// Nobody states the sign, so that any will do: for the agreement, for the MAC, and to know the session again.
#[test]
fn wire_note_04_the_sign_of_the_identity_key_does_not_matter() {
    let (mut alice, mut bob) = strangers_speaking(&Legacy);
    let first = Legacy.parse(&alice.encrypt(b"1")).unwrap();
    let key_exchange = first.key_exchange.unwrap();
    let other = KeyExchange {
        identity_key: flipped(key_exchange.identity_key),
        ..key_exchange.clone()
    };
    let accepted = bob.accept(&other, &first.message).unwrap();
    assert_eq!(*accepted.plaintext, b"1");
    assert!(accepted.session.opened_by(&Legacy, &key_exchange));
    assert!(accepted.session.opened_by(&Legacy, &other));
    let stranger = KeyExchange {
        identity_key: *Device::new(99).identity_key.public(),
        ..key_exchange
    };
    assert!(!accepted.session.opened_by(&Legacy, &stranger));
    assert_eq!(
        bob.accept(&stranger, &first.message).unwrap_err(),
        DecryptError::InvalidMac
    );
}

/// A message of one direction must not be taken for one of the other.
#[test]
fn wire_note_09_both_directions_are_read() {
    let (mut alice, mut bob) = strangers_speaking(&Legacy);
    for _ in 0..3 {
        pass(&mut alice, &mut bob);
        pass(&mut bob, &mut alice);
    }
    assert_eq!(alice.session().peer_identity(), *bob.identity_key.public());
    assert_eq!(bob.session().peer_identity(), *alice.identity_key.public());
}

#[test]
fn wire_note_11_the_mac_is_over_the_version_byte_as_received() {
    let (mut alice, mut bob) = acquainted_speaking(&Legacy);
    let mut changed = alice.encrypt(b"changed");
    changed[0] = 0x34;
    assert_eq!(bob.decrypt(&changed), Err(DecryptError::InvalidMac));
    changed[0] = 0x33;
    assert_eq!(*bob.decrypt(&changed).unwrap(), b"changed");

    // A sender that speaks version 4 too.
    alice.protocol = &Newer;
    let data = alice.encrypt(b"newer");
    assert_eq!(data[0], 0x34);
    assert_eq!(*bob.decrypt(&data).unwrap(), b"newer");

    let (mut alice, mut bob) = strangers_speaking(&Legacy);
    alice.protocol = &Newer;
    let data = alice.encrypt(b"first");
    assert_eq!(*bob.decrypt(&data).unwrap(), b"first");
    pass(&mut bob, &mut alice);
}

/// Legacy OMEMO by a library that speaks a later version as well.
#[derive(Debug)]
struct Newer;

impl Protocol for Newer {
    fn encode_message(&self, header: &Header, ciphertext: &[u8]) -> Vec<u8> {
        let mut message = Legacy.encode_message(header, ciphertext);
        message[0] = 0x34;
        message
    }

    fn encode_key_exchange(&self, key_exchange: &KeyExchange, sealed: Vec<u8>) -> Vec<u8> {
        let mut message = Legacy.encode_key_exchange(key_exchange, sealed);
        message[0] = 0x34;
        message
    }

    fn namespace(&self) -> Namespace {
        Legacy.namespace()
    }

    fn supports_labels(&self) -> bool {
        Legacy.supports_labels()
    }

    fn names_recipients(&self) -> bool {
        Legacy.names_recipients()
    }

    fn presents_ed25519(&self) -> bool {
        Legacy.presents_ed25519()
    }

    fn kdf_info(&self) -> &'static KdfInfo {
        Legacy.kdf_info()
    }

    fn parse(&self, data: &[u8]) -> Result<Incoming, WireError> {
        Legacy.parse(data)
    }

    fn mac(
        &self,
        key: &[u8; 32],
        data: &AssociatedData,
        sender: Role,
        message: &[u8],
    ) -> Zeroizing<[u8; 32]> {
        Legacy.mac(key, data, sender, message)
    }

    fn seal(&self, message: Vec<u8>, mac: &[u8; 32]) -> Vec<u8> {
        Legacy.seal(message, mac)
    }

    fn associated_data(&self, initiator: &IdentityKey, responder: &IdentityKey) -> AssociatedData {
        Legacy.associated_data(initiator, responder)
    }

    fn sign_pre_key(
        &self,
        own: &IdentityKeyPair,
        key: &PublicKey,
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Signature {
        Legacy.sign_pre_key(own, key, rng)
    }

    fn verify_pre_key(&self, key: &IdentityKey, signed: &PublicSignedPreKey) -> Result<(), InvalidSignature> {
        Legacy.verify_pre_key(key, signed)
    }

    fn encrypt_payload(
        &self,
        plaintext: &[u8],
        rng: &mut dyn rand_core::CryptoRng,
    ) -> Result<(Payload, KeyMaterial), PayloadError> {
        Legacy.encrypt_payload(plaintext, rng)
    }

    fn decrypt_payload(
        &self,
        payload: &Payload,
        key: &KeyMaterial,
    ) -> Result<Zeroizing<Vec<u8>>, PayloadError> {
        Legacy.decrypt_payload(payload, key)
    }

    fn without_payload(&self, key: &KeyMaterial) -> Result<WithoutPayload, PayloadError> {
        Legacy.without_payload(key)
    }

    fn encrypt_empty(&self, rng: &mut dyn rand_core::CryptoRng) -> (Option<Payload>, KeyMaterial) {
        Legacy.encrypt_empty(rng)
    }

    fn key_material(&self, decrypted: Zeroizing<Vec<u8>>) -> Result<KeyMaterial, PayloadError> {
        Legacy.key_material(decrypted)
    }
}
