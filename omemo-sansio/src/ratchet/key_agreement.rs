//! X3DH: how both sides arrive at the first root key.

use super::DecryptError;
use super::root_key::RootKey;
use super::session::OwnKeys;
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
type Agreements = [SharedSecret; 4];

/// The initiator's side.
pub(super) fn initiate(
    own: &IdentityKeyPair,
    ephemeral: &KeyPair,
    theirs: &TheirKeys<'_>,
    info: &KdfInfo,
) -> Result<RootKey, NonContributory> {
    let agreements = [
        own.agree_with(theirs.signed_pre_key)?,
        ephemeral.agree(&theirs.identity_key)?,
        ephemeral.agree_with(theirs.signed_pre_key)?,
        ephemeral.agree(theirs.pre_key)?,
    ];
    Ok(derive(&agreements, info))
}

/// The responder's side.
pub(super) fn respond(
    own: &OwnKeys<'_>,
    key_exchange: &KeyExchange,
    info: &KdfInfo,
) -> Result<RootKey, DecryptError> {
    let ephemeral = Point::new(&key_exchange.base_key);
    let agreements = [
        own.signed_pre_key
            .agree(&key_exchange.identity_key.curve25519())?,
        own.identity_key.agree_with(&ephemeral)?,
        own.signed_pre_key.agree_with(&ephemeral)?,
        own.pre_key.agree_with(&ephemeral)?,
    ];
    Ok(derive(&agreements, info))
}

/// The KDF of X3DH (section 2.2): the 32 bytes of 0xFF in front separate it from XEdDSA.
fn derive(agreements: &Agreements, info: &KdfInfo) -> RootKey {
    let [first, second, third, fourth] = agreements.each_ref().map(|shared| shared.as_bytes().as_slice());
    let blocks = kdf::hkdf(
        &[0; 32],
        &[&[0xff; 32], first, second, third, fourth],
        info.key_agreement,
    );
    let [secret] = &*blocks;
    RootKey::new(Secret::copy(secret))
}
