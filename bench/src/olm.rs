//! Sessions of the peer, in the same states.

use std::collections::VecDeque;

use vodozemac::olm;

use crate::measure::Failure;
use crate::sessions::PLAINTEXT;

/// The peer: both ends of a session of Olm, as vodozemac has it. Its sessions are opened by three agreements instead of
/// four, without signatures, and answer when they are asked to; their opening cannot be compared.
pub(crate) struct Peers {
    pub(crate) alice: olm::Session,
    bob: olm::Session,
}

impl Peers {
    pub(crate) fn new() -> Result<Self, Failure> {
        let (mut account, other) = (olm::Account::new(), olm::Account::new());
        account.generate_one_time_keys(1);
        let one_time_key = account
            .one_time_keys()
            .into_values()
            .next()
            .ok_or("no one-time key")?;
        let config = olm::SessionConfig::default();
        let mut alice = other.create_outbound_session(config, account.curve25519_key(), one_time_key)?;
        let olm::OlmMessage::PreKey(first) = alice.encrypt(PLAINTEXT)? else {
            return Err("no pre-key message".into());
        };
        let bob = account
            .create_inbound_session(config, other.curve25519_key(), &first)?
            .session;
        let mut peers = Self { alice, bob };
        let message = peers.bob.encrypt(PLAINTEXT)?;
        peers.alice.decrypt(&message)?;
        Ok(peers)
    }

    pub(crate) fn ping_pong(&mut self) -> Result<(), Failure> {
        let message = self.alice.encrypt(PLAINTEXT)?;
        self.bob.decrypt(&message)?;
        let message = self.bob.encrypt(PLAINTEXT)?;
        self.alice.decrypt(&message)?;
        Ok(())
    }
}

pub(crate) struct PeerReceiving {
    session: olm::Session,
    messages: VecDeque<olm::OlmMessage>,
}

impl PeerReceiving {
    pub(crate) fn new(messages: u32) -> Result<Self, Failure> {
        let mut peers = Peers::new()?;
        peers.ping_pong()?;
        let first = peers.alice.encrypt(PLAINTEXT)?;
        peers.bob.decrypt(&first)?;
        let messages = (0..messages)
            .map(|_| Ok(peers.alice.encrypt(PLAINTEXT)?))
            .collect::<Result<_, Failure>>()?;
        Ok(Self {
            session: peers.bob,
            messages,
        })
    }

    pub(crate) fn next_in_order(&mut self) -> Result<(), Failure> {
        let message = self.messages.pop_front().ok_or("no message")?;
        self.session.decrypt(&message)?;
        Ok(())
    }
}
