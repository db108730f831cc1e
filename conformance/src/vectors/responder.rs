//! Recorded identities and pre keys.

use std::collections::BTreeMap;

use omemo_sansio::keys::{IdentityKeyPair, KeyPair, PublicKey, Signature};
use omemo_sansio::protocol::{KeyExchange, Message};
use omemo_sansio::ratchet::{Accepted, OwnKeys, Session, SkipLimits};
use omemo_sansio::{Bundle, PreKeyId, PublicSignedPreKey, Timestamp, hazmat};
use rand_core::CryptoRng;
use serde::Deserialize;

use super::checks::{Checks, Context, Verdict};
use super::format::Bytes;
use super::version::Version;

/// When all recordings were made. No recorded byte depends on it.
pub(super) const NOW: Timestamp = Timestamp::from_unix(1_768_435_200);

/// An identity key pair.
#[derive(Deserialize)]
pub(super) struct Identity {
    secret_type: SecretType,
    secret: Bytes<32>,
    r#priv: Bytes<32>,
    ed25519_pub: Bytes<32>,
    curve25519_pub: Bytes<32>,
    sign_bit: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum SecretType {
    Seed,
    Priv,
}

impl Identity {
    /// The key pair, with everything recorded of it checked.
    pub(super) fn pair(&self, checks: &mut Checks) -> Verdict<IdentityKeyPair> {
        let (pair, scalar) = match self.secret_type {
            SecretType::Seed => {
                let scalar = hazmat::scalar_of_seed(&self.secret.0);
                (IdentityKeyPair::from_seed(self.secret.0), scalar)
            }
            SecretType::Priv => {
                let pair = IdentityKeyPair::from_private_scalar(self.secret.0).context("identity")?;
                (pair, self.secret.0)
            }
        };
        checks.bytes("identity: priv", scalar, self.r#priv)?;
        let public = pair.public();
        checks.bytes("identity: ed25519_pub", public.ed25519(), self.ed25519_pub)?;
        let curve25519 = public.curve25519();
        checks.bytes(
            "identity: curve25519_pub",
            curve25519.as_bytes(),
            self.curve25519_pub,
        )?;
        let [.., last] = public.ed25519();
        checks.equal("identity: sign_bit", last >> 7, self.sign_bit)?;
        Ok(pair)
    }
}

/// A pre key.
#[derive(Deserialize)]
pub(super) struct PreKey {
    pub(super) id: u32,
    r#priv: Bytes<32>,
    r#pub: Bytes<32>,
}

impl PreKey {
    /// The key pair, checked.
    pub(super) fn pair(&self, checks: &mut Checks) -> Verdict<KeyPair> {
        let pair = KeyPair::from_secret(self.r#priv.0);
        checks.bytes(
            format_args!("pre key {}: pub", self.id),
            pair.public().as_bytes(),
            self.r#pub,
        )?;
        Ok(pair)
    }

    pub(super) fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.r#pub.0)
    }

    pub(super) fn id(&self) -> PreKeyId {
        PreKeyId::new(self.id)
    }
}

/// A signed pre key.
#[derive(Deserialize)]
pub(super) struct SignedPreKey {
    #[serde(flatten)]
    pub(super) key: PreKey,
    pub(super) sig: Bytes<64>,
    #[expect(dead_code, reason = "has to be there, and enters nothing")]
    timestamp: u64,
}

impl SignedPreKey {
    /// What a bundle says of it.
    pub(super) fn public(&self) -> PublicSignedPreKey {
        PublicSignedPreKey {
            id: self.key.id(),
            key: self.key.public(),
            signature: Signature::from_bytes(self.sig.0),
        }
    }

    /// The key pair, checked, and so is its signature.
    pub(super) fn pair(
        &self,
        version: Version,
        checks: &mut Checks,
        identity: &IdentityKeyPair,
    ) -> Verdict<KeyPair> {
        let pair = self.key.pair(checks).context("signed pre key")?;
        let verified = version
            .protocol()
            .verify_pre_key(identity.public(), &self.public());
        checks.that("signed pre key: its signature is refused", verified.is_ok())?;
        Ok(pair)
    }
}

/// The secret keys that answer key exchanges.
pub(super) struct Responder {
    pub(super) identity: IdentityKeyPair,
    pub(super) signed_pre_keys: BTreeMap<PreKeyId, KeyPair>,
    pub(super) pre_keys: BTreeMap<PreKeyId, KeyPair>,
}

impl Responder {
    /// The key pairs that a key exchange names.
    pub(super) fn own_keys(&self, key_exchange: &KeyExchange) -> Verdict<OwnKeys<'_>> {
        let KeyExchange {
            pre_key,
            signed_pre_key,
            ..
        } = key_exchange;
        Ok(OwnKeys {
            identity_key: &self.identity,
            signed_pre_key: self
                .signed_pre_keys
                .get(signed_pre_key)
                .context(format_args!("there is no signed pre key {signed_pre_key}"))?,
            pre_key: self
                .pre_keys
                .get(pre_key)
                .context(format_args!("there is no pre key {pre_key}"))?,
        })
    }

    /// Answers a key exchange; what is wrong if it is refused.
    pub(super) fn accept(
        &self,
        version: Version,
        key_exchange: &KeyExchange,
        message: &Message,
        limits: SkipLimits,
        rng: &mut dyn CryptoRng,
    ) -> Verdict<Accepted> {
        let own = self.own_keys(key_exchange)?;
        let protocol = version.protocol();
        Session::accept(protocol, own, key_exchange, message, limits, NOW, rng).context("key exchange")
    }
}

/// Reads a bundle; written, it has to read the same.
pub(super) fn parse_bundle(version: Version, checks: &mut Checks, xml: &str) -> Verdict<Bundle> {
    let format = version.format()?;
    let element = omemo_xml::parse(xml).map_err(|error| error.to_string())?;
    let bundle = format
        .bundle_from_xml(&element)
        .map_err(|error| error.to_string())?;
    let written = format.bundle_from_xml(&format.bundle_to_xml(&bundle));
    checks.that("it reads otherwise once written", written.as_ref() == Ok(&bundle))?;
    Ok(bundle)
}
