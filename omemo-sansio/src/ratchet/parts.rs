//! A session put together from what another implementation has kept of it.

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::SkippedKeys;
use super::chain::{Chain, ChainKey};
use super::history::{ChainId, History};
use super::message_key::MessageKey;
use super::root_key::RootKey;
use super::session::{Origin, Session};
use super::skipped::SkippedKey;
use crate::keys::{IdentityKey, KeyPair, PublicKey, Secret};
use crate::protocol::{AssociatedData, Role};
use crate::{PreKeyId, Timestamp};

/// Everything a session is (X3DH, section 3; Double Ratchet, section 3.2), as another implementation has kept it.
///
/// Whoever takes a session over has to see to it that the other copy is never used again: two copies use the same
/// message keys.
pub struct SessionParts {
    /// Which side this device is.
    pub role: Role,
    /// The other side's identity key.
    pub peer: IdentityKey,
    /// What is authenticated with each message.
    pub associated_data: AssociatedData,
    /// The pre key of the key exchange.
    pub pre_key: PreKeyId,
    /// The signed pre key of the key exchange.
    pub signed_pre_key: PreKeyId,
    /// The initiator's ephemeral key of the key exchange. All zero where only the pre key was kept: a repeated key exchange
    /// is then recognised by that alone.
    pub base_key: PublicKey,
    /// Whether a message was received in the session, the one that opened it not counted.
    pub confirmed: bool,
    /// The own ratchet key pair.
    pub own_ratchet: KeyPair,
    /// The other side's ratchet key.
    pub peer_ratchet: PublicKey,
    /// The root key: 32 bytes.
    pub root_key: Zeroizing<[u8; 32]>,
    /// The sending chain.
    pub sending: ChainParts,
    /// The receiving chain, once there is one.
    pub receiving: Option<ChainParts>,
    /// How many messages the previous sending chain had.
    pub previous_sending: u32,
    /// The skipped message keys, oldest first.
    pub skipped: Vec<SkippedPart>,
}

/// A chain of a session.
pub struct ChainParts {
    /// How many messages it has had.
    pub length: u32,
    /// Its chain key: 32 bytes.
    pub key: Zeroizing<[u8; 32]>,
}

/// The key of one message that was skipped.
pub struct SkippedPart {
    /// The ratchet key of its chain.
    pub ratchet_key: PublicKey,
    /// The message's number in the chain, from 0.
    pub n: u32,
    /// The message key: 32 bytes.
    pub message_key: Zeroizing<[u8; 32]>,
}

impl SessionParts {
    /// Puts the session together. Of the chains before the current one it remembers those that left skipped keys, of which
    /// it keeps at most `limit`, the newest ones.
    pub(crate) fn assemble(&self, created: Timestamp, limit: u32) -> (Session, SkippedKeys) {
        let mut skipped = SkippedKeys::default();
        let mut history = History::default();
        let mut last = &self.peer_ratchet;
        for SkippedPart {
            ratchet_key,
            n,
            message_key,
        } in &self.skipped
        {
            if ratchet_key != last && *ratchet_key != self.peer_ratchet {
                history.push(ChainId::of(ratchet_key));
                last = ratchet_key;
            }
            let key = MessageKey::new(Secret::copy(message_key));
            skipped.add(ratchet_key, Vec::from([SkippedKey { n: *n, key }]), limit);
        }
        let session = Session {
            origin: Origin {
                created,
                role: self.role,
                peer: self.peer,
                associated_data: self.associated_data,
                pre_key: self.pre_key,
                signed_pre_key: self.signed_pre_key,
                base_key: self.base_key,
            },
            confirmed: self.confirmed,
            root_key: RootKey::new(Secret::copy(&self.root_key)),
            own_ratchet: self.own_ratchet.copy(),
            sending: self.sending.resume(),
            previous_sending: self.previous_sending,
            peer_ratchet: self.peer_ratchet,
            receiving: self.receiving.as_ref().map(ChainParts::resume),
            history,
            past_end: None,
            counts_short: false,
            skipped: skipped.count(),
        };
        (session, skipped)
    }
}

impl ChainParts {
    fn resume(&self) -> Chain {
        Chain::resume(ChainKey::new(Secret::copy(&self.key)), self.length)
    }
}

impl fmt::Debug for SessionParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            role,
            peer,
            associated_data: _,
            pre_key: _,
            signed_pre_key: _,
            base_key: _,
            confirmed,
            own_ratchet: _,
            peer_ratchet: _,
            root_key: _,
            sending: _,
            receiving: _,
            previous_sending: _,
            skipped,
        } = self;
        f.debug_struct("SessionParts")
            .field("role", role)
            .field("peer", peer)
            .field("confirmed", confirmed)
            .field("skipped", &skipped.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ChainParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { length, key: _ } = self;
        write!(f, "ChainParts(length {length}, ..)")
    }
}

impl fmt::Debug for SkippedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ratchet_key: _,
            n,
            message_key: _,
        } = self;
        write!(f, "SkippedPart({n}, ..)")
    }
}
