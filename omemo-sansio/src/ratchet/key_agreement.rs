//! X3DH: how both sides arrive at the first root key.

use super::OwnKeys;
use super::root_key::RootKey;
use crate::keys::curve::Point;
use crate::keys::{IdentityKeyPair, KeyPair, NonContributory, PublicKey, Secret, SharedSecret, kdf};
use crate::protocol::{KdfInfo, KeyExchange};

/// The public keys of the responder that the initiator agrees with.
pub(super) struct TheirKeys<'a> {
    pub(super) identity_key: PublicKey,
    /// Agreed with three times, and so made ready by the caller.
    pub(super) signed_pre_key: &'a Point,
    pub(super) pre_key: &'a PublicKey,
}

/// The four agreements, in the order they are hashed (X3DH, section 3.3).
pub(super) struct Agreements([SharedSecret; 4]);

/// The initiator's side.
pub(super) fn initiate(
    own: &IdentityKeyPair,
    ephemeral: &KeyPair,
    theirs: &TheirKeys<'_>,
) -> Result<Agreements, NonContributory> {
    Ok(Agreements([
        own.agree_with(theirs.signed_pre_key)?,
        ephemeral.agree(&theirs.identity_key)?,
        ephemeral.agree_with(theirs.signed_pre_key)?,
        ephemeral.agree(theirs.pre_key)?,
    ]))
}

/// The responder's side.
pub(super) fn respond(own: &OwnKeys<'_>, key_exchange: &KeyExchange) -> Result<Agreements, NonContributory> {
    let ephemeral = Point::new(&key_exchange.base_key);
    Ok(Agreements([
        own.signed_pre_key
            .agree(&key_exchange.identity_key.curve25519())?,
        own.identity_key.agree_with(&ephemeral)?,
        own.signed_pre_key.agree_with(&ephemeral)?,
        own.pre_key.agree_with(&ephemeral)?,
    ]))
}

impl Agreements {
    pub(super) fn as_bytes(&self) -> [&[u8; 32]; 4] {
        self.0.each_ref().map(SharedSecret::as_bytes)
    }

    /// The KDF of X3DH (section 2.2): the 32 bytes of 0xFF in front keep it apart from XEdDSA.
    pub(super) fn derive(&self, info: &KdfInfo) -> RootKey {
        let [first, second, third, fourth] = self.as_bytes();
        let key_material: [&[u8]; 5] = [&[0xff; 32], first, second, third, fourth];
        let blocks = kdf::hkdf(&[0; 32], &key_material, info.key_agreement);
        let [secret] = &*blocks;
        RootKey::new(Secret::copy(secret))
    }
}
