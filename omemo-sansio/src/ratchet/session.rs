//! The live session.

use alloc::vec::Vec;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::chain::Chain;
use super::history::History;
use super::key_agreement::{self, TheirKeys};
use super::message_key::MessageKey;
use super::receive::Step;
use super::root_key::RootKey;
use super::{DecryptError, EncryptError, KeyExchangeError, Limits, SkippedKeys};
use crate::keys::curve::Point;
use crate::keys::{IdentityKey, IdentityKeyPair, KeyPair, PublicKey};
use crate::protocol::{AssociatedData, Header, KeyExchange, Message, Protocol, Role};
use crate::{Bundle, PreKeyId, Timestamp};

/// A session with one device: the double ratchet and everything that changes with each message. Its record has at most
/// 512 bytes, however many message keys were skipped: those are in [`SkippedKeys`].
#[derive(Debug)]
pub struct Session {
    pub(super) created: Timestamp,
    pub(super) role: Role,
    pub(super) peer: IdentityKey,
    pub(super) associated_data: AssociatedData,
    pub(super) opening: Opening,
    /// Whether a message was received since the session was opened.
    pub(super) confirmed: bool,
    pub(super) root_key: RootKey,
    pub(super) own_ratchet: KeyPair,
    pub(super) sending: Chain,
    /// How many messages the previous sending chain had.
    pub(super) previous_sending: u32,
    pub(super) peer_ratchet: PublicKey,
    /// The chain of `peer_ratchet`; none before the responder's first answer, when that key is its signed pre key.
    pub(super) receiving: Option<Chain>,
    pub(super) history: History,
    pub(super) past_end: Option<PastEnd>,
    /// How many keys are in [`SkippedKeys`], so that they need not be looked at to know.
    pub(super) skipped: u32,
}

/// The key exchange the session was opened with, as far as it is not known from elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening {
    pub(super) pre_key: PreKeyId,
    pub(super) signed_pre_key: PreKeyId,
    pub(super) base_key: PublicKey,
}

/// The key of one message past the announced end of the previous receiving chain. Senders based on libsignal announce
/// one message too few, so that the last one would be lost if it arrived after the next chain has begun.
#[derive(Debug)]
pub(super) struct PastEnd {
    pub(super) n: u32,
    pub(super) key: MessageKey,
}

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
#[derive(Debug)]
pub struct Accepted {
    /// The session.
    pub session: Session,
    /// The keys of messages before this one, if it was not the first.
    pub skipped: SkippedKeys,
    /// What was encrypted.
    pub plaintext: Zeroizing<Vec<u8>>,
}

/// An encrypted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The bytes of the key element.
    pub data: Vec<u8>,
    /// Whether they are a key exchange.
    pub key_exchange: bool,
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
        let signed_point = Point::new(&signed_pre_key.key);
        let theirs = TheirKeys {
            identity_key: identity_key.curve25519(),
            signed_pre_key: &signed_point,
            pre_key: chosen,
        };
        let ephemeral = KeyPair::generate(rng);
        let secret = key_agreement::initiate(own, &ephemeral, &theirs, protocol.kdf_info())?;
        let own_ratchet = KeyPair::generate(rng);
        let shared = own_ratchet.agree_with(&signed_point)?;
        let (root_key, sending) = secret.step(&shared, protocol.kdf_info());
        Ok(Self {
            created: now,
            role: Role::Initiator,
            peer: *identity_key,
            associated_data: protocol.associated_data(own.public(), identity_key),
            opening: Opening {
                pre_key,
                signed_pre_key: signed_pre_key.id,
                base_key: *ephemeral.public(),
            },
            confirmed: false,
            root_key,
            own_ratchet,
            sending: Chain::new(sending),
            previous_sending: 0,
            peer_ratchet: signed_pre_key.key,
            receiving: None,
            history: History::default(),
            past_end: None,
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
        limits: Limits,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Accepted, DecryptError> {
        let secret = key_agreement::respond(&own, key_exchange, protocol.kdf_info())?;
        let associated_data = protocol.associated_data(&key_exchange.identity_key, own.identity_key.public());
        let step = Step::new(
            protocol,
            &secret,
            own.signed_pre_key,
            None,
            message.header(),
            limits,
        )?;
        let plaintext = step
            .run
            .key
            .open(protocol, &associated_data, Role::Initiator, message)?;
        let answer = step.answer(protocol, rng)?;
        let mut skipped = SkippedKeys::default();
        skipped.add(
            &message.header().ratchet_key,
            step.run.skipped,
            limits.per_session,
        );
        let session = Self {
            created: now,
            role: Role::Responder,
            peer: key_exchange.identity_key,
            associated_data,
            opening: Opening {
                pre_key: key_exchange.pre_key,
                signed_pre_key: key_exchange.signed_pre_key,
                base_key: key_exchange.base_key,
            },
            confirmed: false,
            root_key: answer.root_key,
            own_ratchet: answer.own_ratchet,
            sending: answer.sending,
            previous_sending: 0,
            peer_ratchet: message.header().ratchet_key,
            receiving: Some(step.run.chain),
            history: History::default(),
            past_end: None,
            skipped: skipped.count(),
        };
        Ok(Accepted {
            session,
            skipped,
            plaintext,
        })
    }

    /// Encrypts. The key exchange is repeated with each message until the other side has answered. `own` is the identity
    /// key the session was opened with.
    ///
    /// # Errors
    ///
    /// [`EncryptError::ChainExhausted`] if the chain has no message number left; nothing changes then.
    pub fn encrypt(
        &mut self,
        protocol: &dyn Protocol,
        own: &IdentityKey,
        plaintext: &[u8],
    ) -> Result<Sealed, EncryptError> {
        let (next, message_key) = self.sending.step().ok_or(EncryptError::ChainExhausted)?;
        let header = Header {
            ratchet_key: *self.own_ratchet.public(),
            n: self.sending.next(),
            pn: self.previous_sending,
        };
        let sealed = message_key.seal(protocol, &self.associated_data, self.role, &header, plaintext);
        self.sending = next;
        let key_exchange = self.role == Role::Initiator && !self.confirmed;
        let data = if key_exchange {
            protocol.encode_key_exchange(&self.key_exchange(own), sealed)
        } else {
            sealed
        };
        Ok(Sealed { data, key_exchange })
    }

    fn key_exchange(&self, initiator: &IdentityKey) -> KeyExchange {
        let Opening {
            pre_key,
            signed_pre_key,
            base_key,
        } = self.opening;
        KeyExchange {
            pre_key,
            signed_pre_key,
            identity_key: *initiator,
            base_key,
        }
    }

    /// Whether this session is the one that the key exchange opens.
    pub fn opened_by(&self, key_exchange: &KeyExchange) -> bool {
        self.role == Role::Responder && self.opening.base_key == key_exchange.base_key
    }

    /// Whether this side opened it.
    pub fn is_initiator(&self) -> bool {
        self.role == Role::Initiator
    }

    /// Whether a message was received in it, the one that opened it not counted. Until then an initiator does not know
    /// that its key exchange has arrived.
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// The identity key of the other side.
    pub fn peer_identity(&self) -> IdentityKey {
        self.peer
    }

    /// How many messages the current receiving chain has had: the highest number received, plus one. 0 where none has
    /// begun.
    pub fn receiving_chain_length(&self) -> u32 {
        self.receiving.as_ref().map_or(0, Chain::next)
    }

    /// How many messages the current sending chain has had.
    pub fn sending_chain_length(&self) -> u32 {
        self.sending.next()
    }

    /// How many skipped message keys are kept.
    pub fn skipped_len(&self) -> u32 {
        self.skipped
    }

    /// When it was opened.
    pub fn created(&self) -> Timestamp {
        self.created
    }
}
