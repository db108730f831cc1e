//! Devices.

use std::collections::BTreeMap;

use omemo_sansio::keys::PublicKey;
use omemo_sansio::{BareJid, Bundle, DeviceId, PreKeyId, PublicSignedPreKey};
use serde::Deserialize;

use crate::vectors::checks::{Checks, Context, Verdict};
use crate::vectors::format::nullable;
use crate::vectors::responder::{Identity, PreKey, Responder, SignedPreKey, parse_bundle};
use crate::vectors::version::Version;

/// The complete private state of a device at the beginning of a case.
#[derive(Deserialize)]
pub(super) struct Recorded {
    pub(super) name: String,
    jid: String,
    device_id: u32,
    identity: Identity,
    signed_pre_key: SignedPreKey,
    #[serde(deserialize_with = "nullable")]
    old_signed_pre_key: Option<SignedPreKey>,
    pre_keys: Vec<PreKey>,
    bundle_xml: String,
}

/// A device.
pub(super) struct Device {
    pub(super) jid: BareJid,
    pub(super) id: DeviceId,
    /// Its secret keys. A pre key that was used is not among them any more.
    pub(super) secret: Responder,
    bundle: Bundle,
    old_signed_pre_key: Option<PublicSignedPreKey>,
}

impl Device {
    pub(super) fn new(version: Version, recorded: &Recorded, checks: &mut Checks) -> Verdict<Self> {
        let identity = recorded.identity.pair(checks)?;
        let mut signed_pre_keys = BTreeMap::new();
        for signed in [&recorded.signed_pre_key]
            .into_iter()
            .chain(&recorded.old_signed_pre_key)
        {
            signed_pre_keys.insert(signed.key.id(), signed.pair(version, checks, &identity)?);
        }
        let mut pre_keys = BTreeMap::new();
        for pre_key in &recorded.pre_keys {
            pre_keys.insert(pre_key.id(), pre_key.pair(checks)?);
        }
        let bundle = parse_bundle(version, checks, &recorded.bundle_xml).context("bundle_xml")?;
        let ed25519 = identity.public().ed25519();
        checks.bytes("bundle: identity key", bundle.identity_key.ed25519(), ed25519)?;
        checks.that(
            "bundle: signed pre key",
            bundle.signed_pre_key == recorded.signed_pre_key.public(),
        )?;
        let public: BTreeMap<_, _> = recorded
            .pre_keys
            .iter()
            .map(|key| (key.id(), key.public()))
            .collect();
        checks.that("bundle: pre keys", bundle.pre_keys == public)?;
        Ok(Self {
            jid: BareJid::new(&recorded.jid).context("jid")?,
            id: DeviceId::new(recorded.device_id),
            secret: Responder {
                identity,
                signed_pre_keys,
                pre_keys,
            },
            bundle,
            old_signed_pre_key: recorded.old_signed_pre_key.as_ref().map(SignedPreKey::public),
        })
    }

    /// The public keys that were published, once or still, with a signed pre key.
    pub(super) fn bundle(&self, signed_pre_key: PreKeyId) -> Verdict<Bundle> {
        let mut bundle = self.bundle.clone();
        if bundle.signed_pre_key.id != signed_pre_key {
            bundle.signed_pre_key = self
                .old_signed_pre_key
                .clone()
                .filter(|old| old.id == signed_pre_key)
                .context(format_args!("there is no signed pre key {signed_pre_key}"))?;
        }
        Ok(bundle)
    }

    /// A pre key that was published.
    pub(super) fn pre_key(&self, id: PreKeyId) -> Option<&PublicKey> {
        self.bundle.pre_keys.get(&id)
    }
}
