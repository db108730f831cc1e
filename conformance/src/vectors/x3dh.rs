//! The sets `x3dh_twomemo` and `x3dh_oldmemo`: key exchanges.

use std::collections::BTreeMap;

use omemo_sansio::hazmat::{KeyAgreement, SessionState};
use omemo_sansio::keys::{IdentityKeyPair, KeyPair};
use omemo_sansio::protocol::Role;
use omemo_sansio::ratchet::{Accepted, KeyExchangeError, Session, SkipLimits, SkippedKeys};
use omemo_sansio::{Bundle, PreKeyId};
use serde::Deserialize;
use serde_json::Value;

use super::checks::{Checks, Context, Verdict};
use super::format::{Bytes, Hex};
use super::responder::{Identity, NOW, PreKey, Responder, SignedPreKey, parse_bundle};
use super::script::{Filler, Script};
use super::session::Ratchet;
use super::version::Version;

#[derive(Deserialize)]
struct Case {
    initiator_identity: Identity,
    responder_identity: Identity,
    ephemeral_priv: Bytes<32>,
    ephemeral_pub: Bytes<32>,
    signed_pre_key: NoncedPreKey,
    pre_key: PreKey,
    bundle_xml: String,
    bundle_xml_bad_signature: String,
    dh: [Bytes<32>; 4],
    shared_secret: Bytes<32>,
    associated_data: Hex,
    header: Header,
    initial_message: InitialMessage,
}

#[derive(Deserialize)]
struct NoncedPreKey {
    #[serde(flatten)]
    signed: SignedPreKey,
    encoded_pub: Hex,
    sig_nonce: Bytes<64>,
    is_old: bool,
}

#[derive(Deserialize)]
struct Header {
    ik_encoded: Hex,
    ek_encoded: Hex,
    pk_id: u32,
    spk_id: u32,
}

#[derive(Deserialize)]
struct InitialMessage {
    initiator_ratchet_priv: Bytes<32>,
    plaintext: Hex,
    wire: Hex,
    key_exchange_wire: Hex,
    responder_generated_ratchet_priv: Bytes<32>,
    responder_session: Ratchet,
    initiator_session: Ratchet,
}

/// Replays a case.
pub(super) fn case(version: Version, value: &Value, checks: &mut Checks) -> Verdict {
    let case = Case::deserialize(value).map_err(|error| error.to_string())?;
    let initiator = case.initiator_identity.pair(checks).context("initiator")?;
    let responder = case.responder(version, checks).context("responder")?;
    let bundle = case.bundle(version, checks, &responder).context("bundle_xml")?;
    case.bad_signature(version, checks, &initiator)
        .context("bundle_xml_bad_signature")?;
    case.agreement(version, checks, &initiator, &responder)?;
    case.send(version, checks, &initiator, &bundle)
        .context("initiator")?;
    case.receive(version, checks, &initiator, &responder)
        .context("responder")
}

impl Case {
    fn responder(&self, version: Version, checks: &mut Checks) -> Verdict<Responder> {
        let identity = self.responder_identity.pair(checks)?;
        let NoncedPreKey {
            signed,
            encoded_pub,
            sig_nonce,
            is_old,
        } = &self.signed_pre_key;
        let pair = signed.pair(version, checks, &identity)?;
        checks.bytes("encoded_pub", version.encoded(pair.public()), encoded_pub)?;
        let mut nonce = Script::new([sig_nonce]);
        let signature = version
            .protocol()
            .sign_pre_key(&identity, pair.public(), &mut nonce);
        nonce.finish()?;
        checks.bytes("sig", signature.as_bytes(), signed.sig)?;

        let mut signed_pre_keys = BTreeMap::from([(signed.key.id(), pair)]);
        if *is_old {
            // There is a newer one by now, which the key exchange does not name.
            let next = PreKeyId::new(signed.key.id.wrapping_add(1));
            signed_pre_keys.insert(next, KeyPair::generate(&mut Filler));
        }
        let pre_key = self.pre_key.pair(checks)?;
        Ok(Responder {
            identity,
            signed_pre_keys,
            pre_keys: BTreeMap::from([(self.pre_key.id(), pre_key)]),
        })
    }

    fn bundle(&self, version: Version, checks: &mut Checks, responder: &Responder) -> Verdict<Bundle> {
        let bundle = parse_bundle(version, checks, &self.bundle_xml)?;
        let ed25519 = responder.identity.public().ed25519();
        checks.bytes("identity key", bundle.identity_key.ed25519(), ed25519)?;
        checks.that(
            "signed pre key",
            bundle.signed_pre_key == self.signed_pre_key.signed.public(),
        )?;
        checks.equal(
            "pre key",
            bundle.pre_keys.get(&self.pre_key.id()),
            Some(&self.pre_key.public()),
        )?;
        Ok(bundle)
    }

    fn bad_signature(&self, version: Version, checks: &mut Checks, initiator: &IdentityKeyPair) -> Verdict {
        let bundle = parse_bundle(version, checks, &self.bundle_xml_bad_signature)?;
        let pre_key = self.pre_key.id();
        let opened = Session::initiate(version.protocol(), initiator, &bundle, pre_key, NOW, &mut Filler);
        checks.equal(
            "how it is refused",
            opened.err(),
            Some(KeyExchangeError::InvalidSignature),
        )
    }

    fn agreement(
        &self,
        version: Version,
        checks: &mut Checks,
        initiator: &IdentityKeyPair,
        responder: &Responder,
    ) -> Verdict {
        let protocol = version.protocol();
        let ephemeral = KeyPair::from_secret(self.ephemeral_priv.0);
        checks.bytes("ephemeral_pub", ephemeral.public().as_bytes(), self.ephemeral_pub)?;
        let by_initiator = KeyAgreement::initiate(
            protocol,
            initiator,
            &ephemeral,
            responder.identity.public(),
            &self.signed_pre_key.signed.key.public(),
            &self.pre_key.public(),
        )
        .context("initiator's agreement")?;
        let incoming = protocol
            .parse(&self.initial_message.key_exchange_wire.0)
            .context("key_exchange_wire")?;
        let key_exchange = incoming
            .key_exchange
            .context("key_exchange_wire is no key exchange")?;
        let own = responder.own_keys(&key_exchange)?;
        let by_responder =
            KeyAgreement::respond(protocol, own, &key_exchange).context("responder's agreement")?;
        for (side, agreement) in [("initiator", by_initiator), ("responder", by_responder)] {
            for (index, (actual, recorded)) in agreement.agreements.iter().zip(&self.dh).enumerate() {
                checks.bytes(format_args!("{side}: dh {index}"), actual, recorded)?;
            }
            checks.bytes(
                format_args!("{side}: shared_secret"),
                agreement.shared_secret,
                self.shared_secret,
            )?;
        }
        let header = &self.header;
        let identity = version.encoded_identity(&key_exchange.identity_key);
        checks.bytes("header: ik_encoded", identity, &header.ik_encoded)?;
        let ephemeral = version.encoded(&key_exchange.base_key);
        checks.bytes("header: ek_encoded", ephemeral, &header.ek_encoded)?;
        checks.equal("header: pk_id", key_exchange.pre_key.get(), header.pk_id)?;
        checks.equal("header: spk_id", key_exchange.signed_pre_key.get(), header.spk_id)
    }

    fn send(
        &self,
        version: Version,
        checks: &mut Checks,
        initiator: &IdentityKeyPair,
        bundle: &Bundle,
    ) -> Verdict {
        let protocol = version.protocol();
        let message = &self.initial_message;
        let mut script = Script::new([self.ephemeral_priv, message.initiator_ratchet_priv]);
        let pre_key = self.pre_key.id();
        let mut session = Session::initiate(protocol, initiator, bundle, pre_key, NOW, &mut script)
            .context("opening the session")?;
        script.finish()?;

        let mut state = SessionState::export(&session, &SkippedKeys::default());
        let sealed = session
            .encrypt(protocol, initiator.public(), &message.plaintext.0)
            .context("encrypting")?;
        checks.that("it is no key exchange", sealed.key_exchange)?;
        checks.bytes("key_exchange_wire", &sealed.data, &message.key_exchange_wire)?;
        self.check_session(
            version,
            checks,
            &session,
            &SkippedKeys::default(),
            &message.initiator_session,
        )?;

        // Once the responder has answered, messages go without the key exchange.
        state.confirmed = true;
        let (mut session, _) = state.import(NOW);
        let sealed = session
            .encrypt(protocol, initiator.public(), &message.plaintext.0)
            .context("encrypting")?;
        checks.bytes("wire", &sealed.data, &message.wire)
    }

    fn receive(
        &self,
        version: Version,
        checks: &mut Checks,
        initiator: &IdentityKeyPair,
        responder: &Responder,
    ) -> Verdict {
        let protocol = version.protocol();
        let message = &self.initial_message;
        let incoming = protocol.parse(&message.key_exchange_wire.0).context("parsing")?;
        let key_exchange = incoming.key_exchange.context("it is no key exchange")?;
        let identity = version.encoded_identity(&key_exchange.identity_key);
        checks.bytes(
            "identity key",
            identity,
            version.encoded_identity(initiator.public()),
        )?;

        let mut script = Script::new([message.responder_generated_ratchet_priv]);
        let Accepted {
            session,
            skipped,
            plaintext,
        } = responder.accept(
            version,
            &key_exchange,
            &incoming.message,
            SkipLimits::default(),
            &mut script,
        )?;
        script.finish()?;
        checks.bytes("plaintext", &*plaintext, &message.plaintext)?;
        checks.that(
            "the session is not known for its key exchange",
            session.opened_by(protocol, &key_exchange),
        )?;
        self.check_session(version, checks, &session, &skipped, &message.responder_session)
    }

    fn check_session(
        &self,
        version: Version,
        checks: &mut Checks,
        session: &Session,
        skipped: &SkippedKeys,
        recorded: &Ratchet,
    ) -> Verdict {
        let state = SessionState::export(session, skipped);
        let associated_data = version.joined(&state.associated_data, Role::Initiator);
        checks.bytes("associated_data", associated_data, &self.associated_data)?;
        recorded.check(checks, &state.ratchet)
    }
}
