//! Sessions: X3DH and the double ratchet, whatever the protocol version.

mod chain;
mod error;
#[cfg(feature = "hazmat")]
pub(crate) mod hazmat;
mod history;
mod key_agreement;
mod message_key;
mod open;
mod receive;
mod record;
mod root_key;
mod session;
mod skipped;
#[cfg(test)]
mod tests;

pub use error::{DecryptError, EncryptError, KeyExchangeError};
pub use open::{Accepted, OwnKeys};
pub use session::{Sealed, Session};
pub use skipped::SkippedKeys;

/// How many message keys may be skipped: what a sender can make a receiver compute and keep (Double Ratchet, section
/// 8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most keys that one message may skip in its chain. What more is left of the chain before it is given up, so
    /// that a long silence does not end the session.
    pub per_message: u32,
    /// The most keys a session keeps; beyond it the oldest are dropped.
    pub per_session: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_message: 1000,
            per_session: 1000,
        }
    }
}

impl Limits {
    /// Refuses to skip more keys than allowed, before any is derived.
    fn allow(&self, skipped: u32) -> Result<(), DecryptError> {
        let limit = self.per_message;
        if skipped > limit {
            return Err(DecryptError::TooManySkipped { skipped, limit });
        }
        Ok(())
    }
}
