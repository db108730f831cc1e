//! Recorded states of sessions.

use core::fmt::Display;

use omemo_sansio::hazmat::{ChainState, RatchetState, SkippedState};
use omemo_sansio::keys::PublicKey;
use omemo_sansio::protocol::Message;
use omemo_sansio::ratchet::{DecryptError, Session, SkipLimits, SkippedKeys};
use rand_core::CryptoRng;
use serde::Deserialize;

use super::checks::{Checks, Context, Verdict};
use super::format::{Bytes, nullable};
use super::version::Version;

/// The double ratchet.
#[derive(Deserialize)]
pub(super) struct Ratchet {
    own_ratchet_priv: Bytes<32>,
    other_ratchet_pub: Bytes<32>,
    root_chain: Chain,
    sending_chain: Chain,
    #[serde(deserialize_with = "nullable")]
    receiving_chain: Option<Chain>,
    #[serde(deserialize_with = "nullable")]
    previous_sending_chain_length: Option<u32>,
    skipped_message_keys: Vec<Skipped>,
}

#[derive(Deserialize)]
struct Chain {
    length: u32,
    key: Bytes<32>,
}

#[derive(Deserialize)]
struct Skipped {
    ratchet_pub: Bytes<32>,
    n: u32,
    message_key: Bytes<32>,
}

impl Ratchet {
    pub(super) fn state(&self) -> RatchetState {
        RatchetState {
            own_ratchet_secret: self.own_ratchet_priv.0,
            peer_ratchet_key: PublicKey::from_bytes(self.other_ratchet_pub.0),
            root_key: self.root_chain.key.0,
            sending_chain: self.sending_chain.state(),
            receiving_chain: self.receiving_chain.as_ref().map(Chain::state),
            previous_sending_chain_length: self.previous_sending_chain_length.unwrap_or(0),
            skipped: self.skipped_message_keys.iter().map(Skipped::state).collect(),
        }
    }

    /// A ratchet has to be in this state.
    pub(super) fn check(&self, checks: &mut Checks, actual: &RatchetState) -> Verdict {
        self.check_keys(checks, actual)
            .and_then(|()| self.check_skipped(checks, &actual.skipped))
            .context("double ratchet")
    }

    fn check_keys(&self, checks: &mut Checks, actual: &RatchetState) -> Verdict {
        checks.bytes(
            "own_ratchet_priv",
            actual.own_ratchet_secret,
            self.own_ratchet_priv,
        )?;
        let peer = actual.peer_ratchet_key.as_bytes();
        checks.bytes("other_ratchet_pub", peer, self.other_ratchet_pub)?;
        checks.bytes("root_chain", actual.root_key, self.root_chain.key)?;
        self.sending_chain
            .check(checks, "sending_chain", &actual.sending_chain)?;
        match (&self.receiving_chain, &actual.receiving_chain) {
            (Some(recorded), Some(actual)) => recorded.check(checks, "receiving_chain", actual)?,
            (recorded, actual) => {
                checks.equal("is there a receiving_chain", actual.is_some(), recorded.is_some())?;
            }
        }
        checks.equal(
            "previous_sending_chain_length",
            actual.previous_sending_chain_length,
            self.previous_sending_chain_length.unwrap_or(0),
        )
    }

    fn check_skipped(&self, checks: &mut Checks, actual: &[SkippedState]) -> Verdict {
        let recorded = &self.skipped_message_keys;
        checks.equal("number of skipped_message_keys", actual.len(), recorded.len())?;
        for (index, (actual, recorded)) in actual.iter().zip(recorded).enumerate() {
            let what = |part: &str| format!("skipped_message_keys {index}: {part}");
            let ratchet_key = actual.ratchet_key.as_bytes();
            checks.bytes(what("ratchet_pub"), ratchet_key, recorded.ratchet_pub)?;
            checks.equal(what("n"), actual.n, recorded.n)?;
            checks.bytes(what("message_key"), actual.message_key, recorded.message_key)?;
        }
        Ok(())
    }
}

impl Chain {
    fn state(&self) -> ChainState {
        ChainState {
            length: self.length,
            key: self.key.0,
        }
    }

    fn check(&self, checks: &mut Checks, what: &str, actual: &ChainState) -> Verdict {
        checks.equal(format_args!("{what}: length"), actual.length, self.length)?;
        checks.bytes(format_args!("{what}: key"), actual.key, self.key)
    }
}

impl Skipped {
    fn state(&self) -> SkippedState {
        SkippedState {
            ratchet_key: PublicKey::from_bytes(self.ratchet_pub.0),
            n: self.n,
            message_key: self.message_key.0,
        }
    }
}

/// A session, as an application has it: in two records.
pub(super) struct Stored {
    pub(super) session: Session,
    pub(super) skipped: SkippedKeys,
}

impl Stored {
    /// Writes it and reads it back, as happens between any two messages.
    pub(super) fn copy(&self) -> Verdict<Self> {
        Ok(Self {
            session: Session::decode(&self.session.encode()).context("a session's own record")?,
            skipped: SkippedKeys::decode(&self.skipped.encode()).context("its skipped keys' own record")?,
        })
    }

    /// Decrypts, with the skipped keys only where they are asked for.
    pub(super) fn decrypt(
        &mut self,
        version: Version,
        message: &Message,
        limits: SkipLimits,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, DecryptError> {
        let Self { session, skipped } = self;
        let needed = session.needs_skipped_keys(message).then_some(&mut *skipped);
        let given = needed.is_some();
        let protocol = version.protocol();
        let plaintext = match session.decrypt(protocol, message, needed, limits, rng) {
            Err(DecryptError::SkippedKeysNeeded) if !given => {
                session.decrypt(protocol, message, Some(skipped), limits, rng)
            }
            other => other,
        };
        plaintext.map(|plaintext| plaintext.to_vec())
    }

    /// Nothing may have changed since the copy was made.
    pub(super) fn check_unchanged(&self, checks: &mut Checks, what: impl Display, before: &Self) -> Verdict {
        checks.that(
            format_args!("{what}: the session changed"),
            self.session.encode() == before.session.encode(),
        )?;
        checks.that(
            format_args!("{what}: the skipped keys changed"),
            self.skipped.encode() == before.skipped.encode(),
        )
    }
}
