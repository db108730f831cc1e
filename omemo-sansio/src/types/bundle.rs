//! Bundles: the public keys a device publishes so that others can open sessions with it.

use alloc::collections::BTreeMap;

use crate::keys::{IdentityKey, PublicKey, Signature};

/// The most pre keys that are read of a foreign bundle: 1,000. The rest is cut; one is enough to open a session.
pub const MAX_BUNDLE_PRE_KEYS: usize = 1000;

/// The id of a pre key or a signed pre key. Own ids are drawn from 1 to 2^31 - 1 and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PreKeyId(u32);

impl PreKeyId {
    /// Takes an id as it came.
    pub const fn new(id: u32) -> Self {
        Self(id)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl core::fmt::Display for PreKeyId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a device publishes (XEP-0384, section 5.3.2). The signature is not checked yet: opening a session does. Two
/// bundles are equal whatever the order their pre keys came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The identity key of the device.
    pub identity_key: IdentityKey,
    /// The signed pre key.
    pub signed_pre_key: PublicSignedPreKey,
    /// The pre keys by id, at least one, at most [`MAX_BUNDLE_PRE_KEYS`].
    pub pre_keys: BTreeMap<PreKeyId, PublicKey>,
}

/// A signed pre key as published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicSignedPreKey {
    /// Its id.
    pub id: PreKeyId,
    /// The key.
    pub key: PublicKey,
    /// The identity key's signature over the key as the protocol encodes it.
    pub signature: Signature,
}
