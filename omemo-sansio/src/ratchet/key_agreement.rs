//! X3DH: how both sides arrive at the first root key.

use super::OwnKeys;
use super::root_key::RootKey;
use crate::keys::curve::{self, Factor, Point};
use crate::keys::kdf::{self, Salt};
use crate::keys::{IdentityKey, IdentityKeyPair, NonContributory, PublicKey, Secret, SharedSecret};
use crate::protocol::{KdfInfo, KeyExchange};

/// The public keys of the responder that the initiator agrees with.
pub(super) struct TheirKeys<'a> {
    pub(super) identity_key: &'a IdentityKey,
    /// Agreed with three times, and so made ready by the caller.
    pub(super) signed_pre_key: &'a Point,
    pub(super) pre_key: &'a PublicKey,
}

/// The four agreements, in the order they are hashed (X3DH, section 3.3).
pub(super) struct Agreements([SharedSecret; 4]);

/// The initiator's side. The ephemeral key was drawn for this session alone; its public key is computed here.
pub(super) fn initiate(
    own: &IdentityKeyPair,
    ephemeral: &Secret,
    theirs: &TheirKeys<'_>,
) -> Result<(PublicKey, Agreements), NonContributory> {
    let signed_pre_key = || Factor::Point(theirs.signed_pre_key);
    let [public, agreements @ ..] = curve::multiply([
        (Factor::Base, ephemeral),
        (signed_pre_key(), own.scalar()),
        (Factor::Point(&Point::of_identity(theirs.identity_key)), ephemeral),
        (signed_pre_key(), ephemeral),
        (Factor::Point(&Point::new(theirs.pre_key)), ephemeral),
    ]);
    Ok((PublicKey::from_bytes(*public), Agreements::new(agreements)?))
}

/// The responder's side, and what its signed pre key agrees on with the initiator's first ratchet key: the ratchet's
/// first step, done here since all together is faster.
pub(super) fn respond(
    own: &OwnKeys<'_>,
    key_exchange: &KeyExchange,
    ratchet_key: &Point,
) -> Result<(Agreements, SharedSecret), NonContributory> {
    let identity_key = Point::of_identity(&key_exchange.identity_key);
    let base_key = Point::new(&key_exchange.base_key);
    let [agreements @ .., ratchet] = curve::multiply([
        (Factor::Point(&identity_key), own.signed_pre_key.secret()),
        (Factor::Point(&base_key), own.identity_key.scalar()),
        (Factor::Point(&base_key), own.signed_pre_key.secret()),
        (Factor::Point(&base_key), own.pre_key.secret()),
        (Factor::Point(ratchet_key), own.signed_pre_key.secret()),
    ]);
    Ok((Agreements::new(agreements)?, SharedSecret::new(ratchet)?))
}

impl Agreements {
    fn new([first, second, third, fourth]: [Secret; 4]) -> Result<Self, NonContributory> {
        Ok(Self([
            SharedSecret::new(first)?,
            SharedSecret::new(second)?,
            SharedSecret::new(third)?,
            SharedSecret::new(fourth)?,
        ]))
    }

    #[cfg(feature = "hazmat")]
    pub(super) fn as_bytes(&self) -> [&[u8; 32]; 4] {
        self.0.each_ref().map(SharedSecret::as_bytes)
    }

    /// The KDF of X3DH (section 2.2): the 32 bytes of 0xFF in front keep it apart from XEdDSA.
    pub(super) fn derive(&self, info: &KdfInfo) -> RootKey {
        let [first, second, third, fourth] = self.0.each_ref().map(SharedSecret::as_bytes);
        let key_material: [&[u8]; 5] = [&[0xff; 32], first, second, third, fourth];
        let blocks = kdf::hkdf(&Salt::Zeros, &key_material, info.key_agreement);
        let [secret] = &*blocks;
        RootKey::new(Secret::copy(secret))
    }
}
