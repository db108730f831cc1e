//! How sessions begin, on both sides.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use alloc::vec::Vec;
use core::fmt;

use super::chain::Chain;
use super::history::History;
use super::key_agreement::{self, TheirKeys};
use super::receive::Step;
use super::root_key::RootKey;
use super::session::{Origin, Session};
use super::{DecryptError, KeyExchangeError, SkipLimits, SkippedKeys};
use crate::keys::curve::Point;
use crate::keys::{IdentityKeyPair, KeyPair, NonContributory, PublicKey, Secret};
use crate::protocol::{KeyExchange, Message, Protocol, Role};
use crate::{Bundle, PreKeyId, Timestamp};

/// The key pairs of the responder that a key exchange names.
#[derive(Debug, Clone, Copy)]
pub struct OwnKeys<'a> {
    /// The identity key pair.
    pub identity_key: &'a IdentityKeyPair,
    /// The signed pre key that the key exchange names.
    pub signed_pre_key: &'a KeyPair,
    /// The pre key that the key exchange names.
    pub pre_key: &'a KeyPair,
}

/// A session that a key exchange opened, with what its message brought.
pub struct Accepted {
    /// The session.
    pub session: Session,
    /// The keys of messages before this one, if it was not the first.
    pub skipped: SkippedKeys,
    /// What was encrypted.
    pub plaintext: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            session,
            skipped,
            plaintext: _,
        } = self;
        f.debug_struct("Accepted")
            .field("session", session)
            .field("skipped", skipped)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a session with the owner of a bundle, by X3DH (section 3.3). `pre_key` is the one chosen from the bundle.
    /// Draws the ephemeral key, then the first ratchet key, 32 bytes each.
    ///
    /// # Errors
    ///
    /// [`KeyExchangeError`] if the signed pre key is not signed by the identity key, if there is no such pre key, or if
    /// one of the keys has small order.
    pub fn initiate(
        protocol: &dyn Protocol,
        own: &IdentityKeyPair,
        bundle: &Bundle,
        pre_key: PreKeyId,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, KeyExchangeError> {
        let Bundle {
            identity_key,
            signed_pre_key,
            pre_keys,
        } = bundle;
        let chosen = pre_keys
            .get(&pre_key)
            .ok_or(KeyExchangeError::NoPreKey(pre_key))?;
        protocol
            .verify_pre_key(identity_key, signed_pre_key)
            .map_err(|_| KeyExchangeError::InvalidSignature)?;
        let ephemeral = Secret::fill(|bytes| rng.fill_bytes(bytes));
        let theirs = TheirKeys {
            identity_key,
            signed_pre_key: &Point::new(&signed_pre_key.key),
            pre_key: chosen,
        };
        let (base_key, agreements) = key_agreement::initiate(own, &ephemeral, &theirs)?;
        let secret = agreements.derive(protocol.kdf_info());
        let origin = Origin {
            created: now,
            role: Role::Initiator,
            peer: *identity_key,
            associated_data: protocol.associated_data(own.public(), identity_key),
            pre_key,
            signed_pre_key: signed_pre_key.id,
            base_key,
        };
        let peer_ratchet = (&signed_pre_key.key, theirs.signed_pre_key);
        Ok(Self::begin_sending(protocol, origin, &secret, peer_ratchet, rng)?)
    }

    /// The initiator's ratchet (Double Ratchet, section 3.3, `RatchetInitAlice`): the responder's signed pre key is its
    /// first ratchet key.
    pub(super) fn begin_sending(
        protocol: &dyn Protocol,
        origin: Origin,
        secret: &RootKey,
        (peer_ratchet, point): (&PublicKey, &Point),
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, NonContributory> {
        let (own_ratchet, shared) = KeyPair::generate_and_agree(rng, point)?;
        let (root_key, sending) = secret.step(&shared, protocol.kdf_info());
        Ok(Self {
            origin,
            confirmed: false,
            root_key,
            own_ratchet,
            sending: Chain::new(sending),
            previous_sending: 0,
            peer_ratchet: *peer_ratchet,
            receiving: None,
            history: History::default(),
            past_end: None,
            counts_short: false,
            skipped: 0,
        })
    }

    /// Opens the session that a key exchange asks for, and decrypts the message that came with it (X3DH, section 3.4),
    /// which need not be the first. Draws 32 bytes for a ratchet key, after the message was authenticated.
    ///
    /// # Errors
    ///
    /// [`DecryptError`] as for [`decrypt`](Self::decrypt).
    pub fn accept(
        protocol: &dyn Protocol,
        own: OwnKeys<'_>,
        key_exchange: &KeyExchange,
        message: &Message,
        limits: SkipLimits,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Accepted, DecryptError> {
        let header = message.header();
        limits.allow(header.n)?;
        let peer_ratchet = Point::new(&header.ratchet_key);
        let (agreements, shared) = key_agreement::respond(&own, key_exchange, &peer_ratchet)?;
        let secret = agreements.derive(protocol.kdf_info());
        let KeyExchange {
            pre_key,
            signed_pre_key,
            identity_key,
            base_key,
        } = *key_exchange;
        let origin = Origin {
            created: now,
            role: Role::Responder,
            peer: identity_key,
            associated_data: protocol.associated_data(&identity_key, own.identity_key.public()),
            pre_key,
            signed_pre_key,
            base_key,
        };
        let step = Step::new(protocol, &secret, (peer_ratchet, shared), None, header, limits)?;
        Self::begin_receiving(protocol, origin, step, message, limits, rng)
    }

    /// The responder's ratchet (Double Ratchet, section 3.3, `RatchetInitBob`), together with its first step.
    pub(super) fn begin_receiving(
        protocol: &dyn Protocol,
        origin: Origin,
        step: Step,
        message: &Message,
        limits: SkipLimits,
        rng: &mut dyn CryptoRng,
    ) -> Result<Accepted, DecryptError> {
        let peer_ratchet = message.header().ratchet_key;
        let key = &step.run.key;
        let plaintext = key.open(protocol, &origin.associated_data, Role::Initiator, message)?;
        let answer = step.answer(protocol, rng)?;
        let mut skipped = SkippedKeys::default();
        skipped.add(&peer_ratchet, step.run.skipped, limits.per_session);
        let session = Self {
            origin,
            confirmed: false,
            root_key: answer.root_key,
            own_ratchet: answer.own_ratchet,
            sending: answer.sending,
            previous_sending: 0,
            peer_ratchet,
            receiving: Some(step.run.chain),
            history: History::default(),
            past_end: None,
            counts_short: false,
            skipped: skipped.count(),
        };
        Ok(Accepted {
            session,
            skipped,
            plaintext,
        })
    }
}
