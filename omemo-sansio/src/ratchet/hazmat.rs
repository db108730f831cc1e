//! Sessions taken apart and put together: see [`crate::hazmat`].

use alloc::vec::Vec;

use rand_core::CryptoRng;

use super::chain::Chain;
use super::key_agreement::{self, Agreements, TheirKeys};
use super::parts::{ChainParts, SessionParts, SkippedPart};
use super::receive::Step;
use super::root_key::RootKey;
use super::session::{Origin, Session};
use super::skipped::SkippedKey;
use super::{Accepted, DecryptError, OwnKeys, SkipLimits, SkippedKeys};
use crate::keys::curve::Point;
use crate::keys::{IdentityKey, IdentityKeyPair, KeyPair, NonContributory, PublicKey, Secret};
use crate::protocol::{AssociatedData, KeyExchange, Message, Protocol, Role};
use crate::{PreKeyId, Timestamp};

/// What X3DH computes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyAgreement {
    /// The four agreements, in the order they are hashed.
    pub agreements: [[u8; 32]; 4],
    /// The secret both sides arrive at: the first root key.
    pub shared_secret: [u8; 32],
}

impl KeyAgreement {
    /// The initiator's side.
    ///
    /// # Errors
    ///
    /// [`NonContributory`] if one of the keys has small order.
    pub fn initiate(
        protocol: &dyn Protocol,
        own: &IdentityKeyPair,
        ephemeral: &KeyPair,
        identity_key: &IdentityKey,
        signed_pre_key: &PublicKey,
        pre_key: &PublicKey,
    ) -> Result<Self, NonContributory> {
        let theirs = TheirKeys {
            identity_key,
            signed_pre_key: &Point::new(signed_pre_key),
            pre_key,
        };
        let (_, agreements) = key_agreement::initiate(own, ephemeral.secret(), &theirs)?;
        Ok(Self::new(protocol, &agreements))
    }

    /// The responder's side.
    ///
    /// # Errors
    ///
    /// [`NonContributory`] if one of the keys has small order.
    pub fn respond(
        protocol: &dyn Protocol,
        own: OwnKeys<'_>,
        key_exchange: &KeyExchange,
    ) -> Result<Self, NonContributory> {
        // Any ratchet key will do here.
        let ratchet_key = Point::new(&key_exchange.base_key);
        let (agreements, _) = key_agreement::respond(&own, key_exchange, &ratchet_key)?;
        Ok(Self::new(protocol, &agreements))
    }

    fn new(protocol: &dyn Protocol, agreements: &Agreements) -> Self {
        Self {
            agreements: agreements.as_bytes().map(|bytes| *bytes),
            shared_secret: *agreements.derive(protocol.kdf_info()).as_bytes(),
        }
    }
}

/// Everything a session is, in the open.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionState {
    /// Which side it is.
    pub role: Role,
    /// The other side's identity key.
    pub peer: IdentityKey,
    /// What is authenticated with each message.
    pub associated_data: AssociatedData,
    /// The pre key of the key exchange.
    pub pre_key: PreKeyId,
    /// The signed pre key of the key exchange.
    pub signed_pre_key: PreKeyId,
    /// The ephemeral key of the key exchange.
    pub base_key: PublicKey,
    /// Whether a message was received since the session was opened.
    pub confirmed: bool,
    /// The double ratchet.
    pub ratchet: RatchetState,
}

/// The double ratchet (Double Ratchet, section 3.2), in the open.
#[derive(Clone, PartialEq, Eq)]
pub struct RatchetState {
    /// The own ratchet key pair's secret.
    pub own_ratchet_secret: [u8; 32],
    /// The other side's ratchet key.
    pub peer_ratchet_key: PublicKey,
    /// The root key.
    pub root_key: [u8; 32],
    /// The sending chain.
    pub sending_chain: ChainState,
    /// The receiving chain, once there is one.
    pub receiving_chain: Option<ChainState>,
    /// How many messages the previous sending chain had.
    pub previous_sending_chain_length: u32,
    /// The skipped message keys, oldest first.
    pub skipped: Vec<SkippedState>,
}

/// A chain, in the open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChainState {
    /// How many messages it has had.
    pub length: u32,
    /// Its key.
    pub key: [u8; 32],
}

/// A skipped message key, in the open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SkippedState {
    /// The ratchet key of its chain.
    pub ratchet_key: PublicKey,
    /// The message's number in the chain.
    pub n: u32,
    /// The message key.
    pub message_key: [u8; 32],
}

impl SessionState {
    /// The state of a session.
    pub fn export(session: &Session, skipped: &SkippedKeys) -> Self {
        let Origin {
            created: _,
            role,
            peer,
            associated_data,
            pre_key,
            signed_pre_key,
            base_key,
        } = session.origin;
        Self {
            role,
            peer,
            associated_data,
            pre_key,
            signed_pre_key,
            base_key,
            confirmed: session.confirmed,
            ratchet: RatchetState {
                own_ratchet_secret: **session.own_ratchet.secret(),
                peer_ratchet_key: session.peer_ratchet,
                root_key: *session.root_key.as_bytes(),
                sending_chain: ChainState::export(&session.sending),
                receiving_chain: session.receiving.as_ref().map(ChainState::export),
                previous_sending_chain_length: session.previous_sending,
                skipped: skipped.iter().map(SkippedState::export).collect(),
            },
        }
    }

    /// A session with this state. It remembers no chain before the current one.
    pub fn import(self, created: Timestamp) -> (Session, SkippedKeys) {
        let Self {
            role,
            peer,
            associated_data,
            pre_key,
            signed_pre_key,
            base_key,
            confirmed,
            ratchet,
        } = self;
        let parts = SessionParts {
            role,
            peer,
            associated_data,
            pre_key,
            signed_pre_key,
            base_key,
            confirmed,
            own_ratchet: KeyPair::from_secret(ratchet.own_ratchet_secret),
            peer_ratchet: ratchet.peer_ratchet_key,
            root_key: ratchet.root_key.into(),
            sending: ratchet.sending_chain.parts(),
            receiving: ratchet.receiving_chain.map(ChainState::parts),
            previous_sending: ratchet.previous_sending_chain_length,
            skipped: ratchet.skipped.into_iter().map(SkippedState::part).collect(),
        };
        parts.assemble(created, u32::MAX)
    }
}

impl ChainState {
    fn export(chain: &Chain) -> Self {
        Self {
            length: chain.next(),
            key: *chain.key().as_bytes(),
        }
    }

    fn parts(self) -> ChainParts {
        ChainParts {
            length: self.length,
            key: self.key.into(),
        }
    }
}

impl SkippedState {
    fn export((ratchet_key, skipped): (&PublicKey, &SkippedKey)) -> Self {
        Self {
            ratchet_key: *ratchet_key,
            n: skipped.n,
            message_key: *skipped.key.as_bytes(),
        }
    }

    fn part(self) -> SkippedPart {
        SkippedPart {
            ratchet_key: self.ratchet_key,
            n: self.n,
            message_key: self.message_key.into(),
        }
    }
}

/// A double ratchet whose first root key is given, without a key exchange around its messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RatchetSecret {
    /// The first root key.
    pub shared_secret: [u8; 32],
    /// What is authenticated with each message.
    pub associated_data: AssociatedData,
    /// The other side's identity key.
    pub peer: IdentityKey,
}

impl RatchetSecret {
    /// Begins as the initiator, drawing the first ratchet key.
    ///
    /// # Errors
    ///
    /// [`NonContributory`] if the signed pre key has small order.
    pub fn initiate(
        &self,
        protocol: &dyn Protocol,
        signed_pre_key: &PublicKey,
        rng: &mut dyn CryptoRng,
    ) -> Result<Session, NonContributory> {
        let peer_ratchet = (signed_pre_key, &Point::new(signed_pre_key));
        let mut session = Session::begin_sending(
            protocol,
            self.origin(Role::Initiator),
            &self.root_key(),
            peer_ratchet,
            rng,
        )?;
        session.confirmed = true;
        Ok(session)
    }

    /// Begins as the responder, with the first message.
    ///
    /// # Errors
    ///
    /// [`DecryptError`] as for [`Session::accept`].
    pub fn accept(
        &self,
        protocol: &dyn Protocol,
        signed_pre_key: &KeyPair,
        message: &Message,
        limits: SkipLimits,
        rng: &mut dyn CryptoRng,
    ) -> Result<Accepted, DecryptError> {
        let header = message.header();
        let peer_ratchet = Point::new(&header.ratchet_key);
        let shared = peer_ratchet.agree(signed_pre_key.secret())?;
        let step = Step::new(
            protocol,
            &self.root_key(),
            (peer_ratchet, shared),
            None,
            header,
            limits,
        )?;
        Session::begin_receiving(protocol, self.origin(Role::Responder), step, message, limits, rng)
    }

    fn root_key(&self) -> RootKey {
        RootKey::new(Secret::copy(&self.shared_secret))
    }

    fn origin(&self, role: Role) -> Origin {
        Origin {
            created: Timestamp::default(),
            role,
            peer: self.peer,
            associated_data: self.associated_data,
            pre_key: PreKeyId::new(0),
            signed_pre_key: PreKeyId::new(0),
            base_key: PublicKey::from_bytes([0; 32]),
        }
    }
}
