//! What the protocol versions do differently: how keys, messages and payloads are encoded and encrypted.

mod associated_data;
mod cipher;
mod key_material;
mod legacy;
mod message;
mod omemo2;

use core::fmt::Debug;

use alloc::vec::Vec;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::keys::{IdentityKey, IdentityKeyPair, InvalidSignature, PublicKey, Signature};
use crate::{Namespace, Payload, PublicSignedPreKey};

pub use associated_data::{AssociatedData, Role};
pub(crate) use cipher::CipherKeys;
pub use key_material::{KeyMaterial, PayloadError};
pub use legacy::Legacy;
pub use message::{Header, Incoming, KeyExchange, MAX_KEY_ELEMENT, Message, WireError};
pub use omemo2::Omemo2;

/// A protocol version: pure functions over bytes and keys, with no state of its own.
///
/// Everything that differs between the versions is here; the double ratchet and X3DH themselves do not.
pub trait Protocol: Debug + Send + Sync + 'static {
    /// Its name.
    fn namespace(&self) -> Namespace;

    /// Whether its device lists carry labels.
    fn supports_labels(&self) -> bool;

    /// Whether its key elements are grouped by the account they are for. Where they are not, several may have the id of
    /// this device.
    fn names_recipients(&self) -> bool;

    /// Whether its key exchanges hold the identity key in its Ed25519 form. Where they hold the Curve25519 form, the sign
    /// that [`KeyExchange::identity_key`] has is a guess.
    fn presents_ed25519(&self) -> bool;

    /// What it feeds into HKDF to keep derived keys apart.
    fn kdf_info(&self) -> &'static KdfInfo;

    /// Reads the bytes of a key element. Whether they are a key exchange is decided by the bytes, not by what the element
    /// says, since senders disagree about that.
    ///
    /// # Errors
    ///
    /// [`WireError`] if the bytes are too many, are not what the protocol describes, or hold an invalid key.
    fn parse(&self, data: &[u8]) -> Result<Incoming, WireError>;

    /// Writes the part of a message that its MAC covers.
    fn encode_message(&self, header: &Header, ciphertext: &[u8]) -> Vec<u8>;

    /// The MAC over that part, in full; [`Message`] and [`seal`](Self::seal) cut it to what the protocol sends.
    fn mac(
        &self,
        key: &[u8; 32],
        associated_data: &AssociatedData,
        sender: Role,
        message: &[u8],
    ) -> Zeroizing<[u8; 32]>;

    /// Joins what [`encode_message`](Self::encode_message) wrote with its MAC.
    fn seal(&self, message: Vec<u8>, mac: &[u8; 32]) -> Vec<u8>;

    /// Wraps what [`seal`](Self::seal) wrote into a key exchange.
    fn encode_key_exchange(&self, key_exchange: &KeyExchange, sealed: Vec<u8>) -> Vec<u8>;

    /// What a session authenticates with each of its messages.
    fn associated_data(&self, initiator: &IdentityKey, responder: &IdentityKey) -> AssociatedData;

    /// Signs a signed pre key, as the protocol encodes it.
    fn sign_pre_key(&self, own: &IdentityKeyPair, key: &PublicKey, rng: &mut dyn CryptoRng) -> Signature;

    /// Checks the signature of a signed pre key.
    ///
    /// # Errors
    ///
    /// [`InvalidSignature`] if it is not the identity key's.
    fn verify_pre_key(
        &self,
        identity_key: &IdentityKey,
        signed_pre_key: &PublicSignedPreKey,
    ) -> Result<(), InvalidSignature>;

    /// Encrypts the content of a message with a fresh key.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] if the protocol cannot encrypt as much.
    fn encrypt_payload(
        &self,
        plaintext: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(Payload, KeyMaterial), PayloadError>;

    /// Decrypts the content of a message. Nothing is decrypted before it is authenticated.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] if the payload and the key material do not belong together, or are malformed.
    fn decrypt_payload(
        &self,
        payload: &Payload,
        key_material: &KeyMaterial,
    ) -> Result<Zeroizing<Vec<u8>>, PayloadError>;

    /// What a message without payload is, given the key material its session carried. Where there must have been one,
    /// somebody has taken it away, and the key must not be spent on what is left.
    ///
    /// # Errors
    ///
    /// [`PayloadError::NoPayload`] if the key material is that of a payload.
    fn without_payload(&self, key_material: &KeyMaterial) -> Result<WithoutPayload, PayloadError>;

    /// What an empty message carries instead of a content key, and what stands in place of its payload.
    fn encrypt_empty(&self, rng: &mut dyn CryptoRng) -> (Option<Payload>, KeyMaterial);

    /// Reads the key material that a session decrypted.
    ///
    /// # Errors
    ///
    /// [`PayloadError::KeyMaterialLength`] if it cannot be key material of the protocol.
    fn key_material(&self, decrypted: Zeroizing<Vec<u8>>) -> Result<KeyMaterial, PayloadError>;
}

/// The `info` inputs of HKDF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfInfo {
    /// For the secret that X3DH agrees on.
    pub key_agreement: &'static [u8],
    /// For a step of the root chain.
    pub root_chain: &'static [u8],
    /// For the keys that encrypt and authenticate one message.
    pub message_keys: &'static [u8],
}

/// What a message without payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutPayload {
    /// Nothing but a step of the ratchet.
    Empty,
    /// A step of the ratchet and, maybe, a key that the sender means to use elsewhere: nothing tells the two apart.
    KeyTransport,
}
