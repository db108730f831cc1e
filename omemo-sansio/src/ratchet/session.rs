//! The live session.

use alloc::vec::Vec;

use super::EncryptError;
use super::chain::Chain;
use super::history::{ChainId, History};
use super::message_key::MessageKey;
use super::root_key::RootKey;
use crate::keys::{IdentityKey, KeyPair, PublicKey};
use crate::protocol::{AssociatedData, Header, KeyExchange, Protocol, Role};
use crate::{PreKeyId, Timestamp};

/// A session with one device: the double ratchet and everything that changes with each message. Its record has at most
/// 512 bytes, however many message keys were skipped: those are in [`SkippedKeys`](super::SkippedKeys).
#[derive(Debug)]
pub struct Session {
    pub(super) origin: Origin,
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
    /// Whether the other side is known to announce its chains one message too short.
    pub(super) counts_short: bool,
    /// How many keys are in [`SkippedKeys`](super::SkippedKeys), so that they need not be looked at to know.
    pub(super) skipped: u32,
}

/// What a session is from its opening on.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) created: Timestamp,
    pub(super) role: Role,
    pub(super) peer: IdentityKey,
    pub(super) associated_data: AssociatedData,
    pub(super) pre_key: PreKeyId,
    pub(super) signed_pre_key: PreKeyId,
    pub(super) base_key: PublicKey,
}

/// The key of one message past the announced end of a receiving chain. Senders based on libsignal announce one message too
/// few, so that the last one would be lost if it arrived after the next chain has begun.
///
/// Whether a sender counts like that shows as soon as a chain that it ends was received whole. From then on such a key
/// is kept among the skipped ones wherever the last message is missing. Before, it may as well be that of a message that
/// does not exist: of such keys the session keeps one, the newest, and it costs the skipped keys nothing.
#[derive(Debug)]
pub(super) struct PastEnd {
    pub(super) chain: ChainId,
    pub(super) n: u32,
    pub(super) key: MessageKey,
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
        let sender = Sender {
            origin: &self.origin,
            confirmed: self.confirmed,
            ratchet_key: self.own_ratchet.public(),
            sending: &self.sending,
            previous_sending: self.previous_sending,
        };
        let (next, sealed) = sender.encrypt(protocol, own, plaintext)?;
        self.sending = next;
        Ok(sealed)
    }

    /// Whether this session is the one that the key exchange opens.
    pub fn opened_by(&self, protocol: &dyn Protocol, key_exchange: &KeyExchange) -> bool {
        let presented = &key_exchange.identity_key;
        // The identity key too, in the form that is authenticated: the MAC covers the one of the session, not the one that
        // stands in this key exchange.
        self.origin.role == Role::Responder
            && self.origin.associated_data.initiator
                == protocol.associated_data(presented, presented).initiator
            && self.origin.pre_key == key_exchange.pre_key
            && (self.origin.knows_pre_key_alone()
                || self.origin.base_key == key_exchange.base_key
                    && self.origin.signed_pre_key == key_exchange.signed_pre_key)
    }

    /// Whether this side opened it.
    pub fn is_initiator(&self) -> bool {
        self.origin.role == Role::Initiator
    }

    /// Whether a message was received in it, the one that opened it not counted. Until then an initiator does not know
    /// that its key exchange has arrived.
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// The identity key of the other side.
    pub fn peer_identity(&self) -> IdentityKey {
        self.origin.peer
    }

    /// The other side's ratchet key, which the current receiving chain is known by.
    pub(crate) fn peer_ratchet_key(&self) -> PublicKey {
        self.peer_ratchet
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
        self.origin.created
    }
}

/// What of a session encrypts its next message.
pub(super) struct Sender<'a> {
    pub(super) origin: &'a Origin,
    pub(super) confirmed: bool,
    pub(super) ratchet_key: &'a PublicKey,
    pub(super) sending: &'a Chain,
    pub(super) previous_sending: u32,
}

impl Sender<'_> {
    /// The message, and the sending chain after it.
    pub(super) fn encrypt(
        &self,
        protocol: &dyn Protocol,
        own: &IdentityKey,
        plaintext: &[u8],
    ) -> Result<(Chain, Sealed), EncryptError> {
        let (next, message_key) = self.sending.step().ok_or(EncryptError::ChainExhausted)?;
        let header = Header {
            ratchet_key: *self.ratchet_key,
            n: self.sending.next(),
            pn: self.previous_sending,
        };
        let Origin {
            role,
            associated_data,
            ..
        } = self.origin;
        let sealed = message_key.seal(protocol, associated_data, *role, &header, plaintext);
        let key_exchange = *role == Role::Initiator && !self.confirmed;
        let data = if key_exchange {
            protocol.encode_key_exchange(&self.origin.key_exchange(own), sealed)
        } else {
            sealed
        };
        Ok((next, Sealed { data, key_exchange }))
    }
}

impl Origin {
    /// Whether the session was taken over from an implementation that did not keep the rest of its key exchange: its base
    /// key is all zero, which no key exchange has that can be agreed by.
    fn knows_pre_key_alone(&self) -> bool {
        self.base_key == PublicKey::from_bytes([0; 32])
    }

    /// The key exchange, which the initiator repeats.
    fn key_exchange(&self, initiator: &IdentityKey) -> KeyExchange {
        KeyExchange {
            pre_key: self.pre_key,
            signed_pre_key: self.signed_pre_key,
            identity_key: *initiator,
            base_key: self.base_key,
        }
    }
}
