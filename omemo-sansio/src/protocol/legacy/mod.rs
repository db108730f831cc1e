//! Legacy OMEMO: `eu.siacs.conversations.axolotl`, XEP-0384 0.3.0. Where that refers to SignalProtocol, what its
//! implementations have in common.

mod gcm;
mod payload;
mod public_key;
#[cfg(test)]
mod tests;
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

/// `eu.siacs.conversations.axolotl` (XEP-0384 0.3.0).
///
/// A [`Bundle`](crate::Bundle) looks like one of OMEMO 2 here. On the wire the identity key is in its Curve25519 form, and
/// bit 7 of byte 63 of the signature says which sign the Ed25519 form has; whoever reads a bundle puts that sign into
/// [`Bundle::identity_key`](crate::Bundle::identity_key) and clears the bit, and whoever writes one sets it again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Legacy;

const KDF_INFO: KdfInfo = KdfInfo {
    key_agreement: b"WhisperText",
    root_chain: b"WhisperRatchet",
    message_keys: b"WhisperMessageKeys",
};

impl Protocol for Legacy {
    fn namespace(&self) -> Namespace {
        Namespace::LEGACY
    }

    fn supports_labels(&self) -> bool {
        false
    }

    fn names_recipients(&self) -> bool {
        false
    }

    fn presents_ed25519(&self) -> bool {
        false
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

    /// Over sender's key, receiver's key, and the message with its version byte: the sender of each message comes first,
    /// whoever has opened the session. Nothing specifies that; all implementations do it.
    fn mac(
        &self,
        key: &[u8; 32],
        associated_data: &AssociatedData,
        sender: Role,
        message: &[u8],
    ) -> Zeroizing<[u8; 32]> {
        let AssociatedData { initiator, responder } = associated_data;
        let (sender, receiver) = match sender {
            Role::Initiator => (initiator, responder),
            Role::Responder => (responder, initiator),
        };
        let mut mac = kdf::hmac(key);
        for key in [sender, receiver] {
            mac.update(&public_key::encode(&PublicKey::from_bytes(*key)));
        }
        mac.update(message);
        let mut tag = Zeroizing::new([0; 32]);
        kdf::finish(mac, &mut tag);
        tag
    }

    fn seal(&self, message: Vec<u8>, mac: &[u8; 32]) -> Vec<u8> {
        wire::seal(message, mac)
    }

    fn encode_key_exchange(&self, key_exchange: &KeyExchange, sealed: Vec<u8>) -> Vec<u8> {
        wire::encode_key_exchange(key_exchange, sealed)
    }

    fn associated_data(&self, initiator: &IdentityKey, responder: &IdentityKey) -> AssociatedData {
        AssociatedData {
            initiator: *initiator.curve25519().as_bytes(),
            responder: *responder.curve25519().as_bytes(),
        }
    }

    fn sign_pre_key(&self, own: &IdentityKeyPair, key: &PublicKey, rng: &mut dyn CryptoRng) -> Signature {
        own.sign(&public_key::encode(key), rng)
    }

    fn verify_pre_key(
        &self,
        identity_key: &IdentityKey,
        signed_pre_key: &PublicSignedPreKey,
    ) -> Result<(), InvalidSignature> {
        let signed = public_key::encode(&signed_pre_key.key);
        identity_key.verify(&signed, &signed_pre_key.signature)
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

    /// A KeyTransportElement (section 4.5), with a tag or without. That a payload was taken away cannot be told.
    fn without_payload(&self, _: &KeyMaterial) -> Result<WithoutPayload, PayloadError> {
        Ok(WithoutPayload::KeyTransport)
    }

    /// A KeyTransportElement whose key nobody will use.
    fn encrypt_empty(&self, rng: &mut dyn CryptoRng) -> (Option<Payload>, KeyMaterial) {
        let (payload, key_material) = payload::empty(rng);
        (Some(payload), key_material)
    }

    fn key_material(&self, decrypted: Zeroizing<Vec<u8>>) -> Result<KeyMaterial, PayloadError> {
        payload::key_material(decrypted)
    }
}
