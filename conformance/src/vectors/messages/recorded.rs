//! Sessions with what is around their double ratchets.

use omemo_sansio::PreKeyId;
use omemo_sansio::hazmat::SessionState;
use omemo_sansio::keys::PublicKey;
use omemo_sansio::protocol::Role;
use serde::Deserialize;

use super::device::Device;
use crate::vectors::checks::{Checks, Context, Verdict};
use crate::vectors::format::{Bytes, Hex};
use crate::vectors::session::Ratchet;
use crate::vectors::version::Version;

/// A session.
#[derive(Deserialize)]
pub(super) struct RecordedSession {
    pub(super) peer: String,
    initiation: Initiation,
    confirmed: bool,
    associated_data: Hex,
    key_exchange: KeyExchange,
    double_ratchet: Ratchet,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Initiation {
    Active,
    Passive,
}

#[derive(Deserialize)]
struct KeyExchange {
    identity_key_ed25519: Bytes<32>,
    ephemeral_pub: Bytes<32>,
    signed_pre_key_pub: Bytes<32>,
    signed_pre_key_id: u32,
    pre_key_pub: Bytes<32>,
    pre_key_id: u32,
}

impl RecordedSession {
    /// Its state, for the device that has it.
    pub(super) fn state(
        &self,
        version: Version,
        checks: &mut Checks,
        own: &Device,
        peer: &Device,
    ) -> Verdict<SessionState> {
        let (role, initiator, responder) = match self.initiation {
            Initiation::Active => (Role::Initiator, own, peer),
            Initiation::Passive => (Role::Responder, peer, own),
        };
        let initiator = initiator.secret.identity.public();
        let associated_data = version
            .protocol()
            .associated_data(initiator, responder.secret.identity.public());
        let joined = version.joined(&associated_data, Role::Initiator);
        checks.bytes("associated_data", joined, &self.associated_data)?;
        let key_exchange = &self.key_exchange;
        key_exchange.check(checks, responder)?;
        checks.bytes(
            "key_exchange: identity_key_ed25519",
            initiator.ed25519(),
            key_exchange.identity_key_ed25519,
        )?;
        Ok(SessionState {
            role,
            peer: *peer.secret.identity.public(),
            associated_data,
            pre_key: PreKeyId::new(key_exchange.pre_key_id),
            signed_pre_key: PreKeyId::new(key_exchange.signed_pre_key_id),
            base_key: PublicKey::from_bytes(key_exchange.ephemeral_pub.0),
            confirmed: self.confirmed,
            ratchet: self.double_ratchet.state(),
        })
    }

    /// A session of the device has to be in this state.
    pub(super) fn check(
        &self,
        version: Version,
        checks: &mut Checks,
        own: &Device,
        peer: &Device,
        actual: &SessionState,
    ) -> Verdict {
        let recorded = self.state(version, checks, own, peer)?;
        checks.equal("initiation", actual.role, recorded.role)?;
        let [ours, theirs] = [&actual.peer, &recorded.peer].map(|key| version.encoded_identity(key));
        checks.bytes("peer", ours, theirs)?;
        checks.that(
            "associated_data",
            actual.associated_data == recorded.associated_data,
        )?;
        checks.equal("pre_key_id", actual.pre_key, recorded.pre_key)?;
        checks.equal(
            "signed_pre_key_id",
            actual.signed_pre_key,
            recorded.signed_pre_key,
        )?;
        let base_key = actual.base_key.as_bytes();
        checks.bytes("ephemeral_pub", base_key, recorded.base_key.as_bytes())?;
        checks.equal("confirmed", actual.confirmed, recorded.confirmed)?;
        self.double_ratchet.check(checks, &actual.ratchet)
    }
}

impl KeyExchange {
    fn check(&self, checks: &mut Checks, responder: &Device) -> Verdict {
        let bundle = responder.bundle(PreKeyId::new(self.signed_pre_key_id))?;
        let signed_pre_key = bundle.signed_pre_key.key;
        checks.bytes(
            "key_exchange: signed_pre_key_pub",
            signed_pre_key.as_bytes(),
            self.signed_pre_key_pub,
        )?;
        let pre_key = responder
            .pre_key(PreKeyId::new(self.pre_key_id))
            .context(format_args!("there is no pre key {}", self.pre_key_id))?;
        checks.bytes("key_exchange: pre_key_pub", pre_key.as_bytes(), self.pre_key_pub)
    }
}
