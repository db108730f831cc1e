//! OMEMO 2: `urn:xmpp:omemo:2`, XEP-0384 0.9.1.

mod payload;
mod wire;

use alloc::vec::Vec;

use hmac::Mac;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{
    AssociatedData, Header, Incoming, KdfInfo, KeyExchange, KeyMaterial, PayloadError, Protocol, Role,
    WireError, WithoutPayload,
};
use crate::keys::{IdentityKey, IdentityKeyPair, InvalidSignature, PublicKey, Signature, kdf};
use crate::{Namespace, Payload, PublicSignedPreKey};

/// `urn:xmpp:omemo:2` (XEP-0384 0.9.1, section 4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Omemo2;

const KDF_INFO: KdfInfo = KdfInfo {
    key_agreement: b"OMEMO X3DH",
    root_chain: b"OMEMO Root Chain",
    message_keys: b"OMEMO Message Key Material",
};

impl Protocol for Omemo2 {
    fn namespace(&self) -> Namespace {
        Namespace::OMEMO_2
    }

    fn supports_labels(&self) -> bool {
        true
    }

    fn names_recipients(&self) -> bool {
        true
    }

    fn presents_ed25519(&self) -> bool {
        true
    }

    fn kdf_info(&self) -> &'static KdfInfo {
        &KDF_INFO
    }

    fn parse(&self, data: &[u8]) -> Result<Incoming, WireError> {
        wire::parse(data)
    }

    fn encode_message(&self, header: &Header, ciphertext: &[u8]) -> Vec<u8> {
        wire::encode_message(header, ciphertext)
    }

    /// Over initiator's key, responder's key and message, whoever of the two sends (XEP-0384, sections 4.2 and 4.3).
    fn mac(
        &self,
        key: &[u8; 32],
        associated_data: &AssociatedData,
        _sender: Role,
        message: &[u8],
    ) -> Zeroizing<[u8; 32]> {
        let AssociatedData { initiator, responder } = associated_data;
        let mut mac = kdf::hmac(key);
        mac.update(initiator);
        mac.update(responder);
        mac.update(message);
        let mut tag = Zeroizing::new([0; 32]);
        kdf::finish(mac, &mut tag);
        tag
    }

    fn seal(&self, message: Vec<u8>, mac: &[u8; 32]) -> Vec<u8> {
        wire::seal(message, mac)
    }

    fn encode_key_exchange(&self, key_exchange: &KeyExchange, sealed: Vec<u8>) -> Vec<u8> {
        wire::encode_key_exchange(key_exchange, &sealed)
    }

    fn associated_data(&self, initiator: &IdentityKey, responder: &IdentityKey) -> AssociatedData {
        AssociatedData {
            initiator: *initiator.ed25519(),
            responder: *responder.ed25519(),
        }
    }

    fn sign_pre_key(&self, own: &IdentityKeyPair, key: &PublicKey, rng: &mut dyn CryptoRng) -> Signature {
        own.sign(key.as_bytes(), rng)
    }

    fn verify_pre_key(
        &self,
        identity_key: &IdentityKey,
        signed_pre_key: &PublicSignedPreKey,
    ) -> Result<(), InvalidSignature> {
        identity_key.verify(signed_pre_key.key.as_bytes(), &signed_pre_key.signature)
    }

    fn encrypt_payload(
        &self,
        plaintext: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(Payload, KeyMaterial), PayloadError> {
        Ok(payload::encrypt(plaintext, rng))
    }

    fn decrypt_payload(
        &self,
        payload: &Payload,
        key_material: &KeyMaterial,
    ) -> Result<Zeroizing<Vec<u8>>, PayloadError> {
        payload::decrypt(payload, key_material)
    }

    fn without_payload(&self, key_material: &KeyMaterial) -> Result<WithoutPayload, PayloadError> {
        if key_material.tag().is_empty() {
            Ok(WithoutPayload::Empty)
        } else {
            Err(PayloadError::NoPayload)
        }
    }

    /// 32 zeros (XEP-0384, section 4.4).
    fn encrypt_empty(&self, _: &mut dyn CryptoRng) -> (Option<Payload>, KeyMaterial) {
        (None, KeyMaterial::new(&[0; 32], &[]))
    }

    fn key_material(&self, decrypted: Zeroizing<Vec<u8>>) -> Result<KeyMaterial, PayloadError> {
        payload::key_material(decrypted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::testing::{TestRng, hex};

    const DATA: AssociatedData = AssociatedData {
        initiator: [1; 32],
        responder: [2; 32],
    };

    #[test]
    fn what_it_has_and_legacy_omemo_has_not() {
        assert!(Omemo2.supports_labels());
        assert!(Omemo2.names_recipients());
        assert!(Omemo2.presents_ed25519());
    }

    /// Two of our own would agree on any order: the expected value is that of the specification, made elsewhere.
    #[test]
    fn the_mac_is_over_the_initiator_first_whoever_sends() {
        let expected = hex("ae6380d6fed3a3adc4545fbcde8d4233ea051ff71604c7c080076e73936ef77b");
        for sender in [Role::Initiator, Role::Responder] {
            assert_eq!(*Omemo2.mac(&[3; 32], &DATA, sender, b"message"), expected);
        }
    }

    #[test]
    fn wire_note_05_both_identity_keys_are_authenticated_in_their_ed25519_form() {
        let [one, other] = [1, 2].map(|seed| *IdentityKeyPair::from_seed([seed; 32]).public());
        let data = Omemo2.associated_data(&one, &other);
        assert_eq!(
            (&data.initiator, &data.responder),
            (one.ed25519(), other.ed25519())
        );
    }

    #[test]
    fn a_signed_pre_key_is_signed_in_32_bytes() {
        let mut rng = TestRng::new(1);
        let own = IdentityKeyPair::generate(&mut rng);
        let key = PublicKey::from_bytes([7; 32]);
        let signature = Omemo2.sign_pre_key(&own, &key, &mut rng);
        assert_eq!(own.public().verify(&[7; 32], &signature), Ok(()));
        let signed = PublicSignedPreKey {
            id: crate::PreKeyId::new(1),
            key,
            signature,
        };
        assert_eq!(Omemo2.verify_pre_key(own.public(), &signed), Ok(()));
        let other = PublicSignedPreKey {
            key: PublicKey::from_bytes([8; 32]),
            ..signed
        };
        assert_eq!(Omemo2.verify_pre_key(own.public(), &other), Err(InvalidSignature));
    }
}
