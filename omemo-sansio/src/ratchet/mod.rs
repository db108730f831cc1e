//! Sessions: X3DH and the double ratchet, whatever the protocol version.

mod chain;
mod error;
#[cfg(feature = "hazmat")]
pub(crate) mod hazmat;
mod history;
mod key_agreement;
mod message_key;
mod open;
mod parts;
mod receive;
mod record;
mod root_key;
mod sending;
mod session;
mod skipped;
#[cfg(test)]
mod tests;

pub use error::{DecryptError, EncryptError, KeyExchangeError};
pub use open::{Accepted, OwnKeys};
pub use parts::{ChainParts, SessionParts, SkippedPart};
pub(crate) use sending::SendingSession;
pub use session::{Sealed, Session};
pub use skipped::SkippedKeys;

/// The most message keys that may be skipped, whatever a device is set to: 1,000. What several sessions of a device keep lies
/// in one record.
pub const MAX_SKIPPED_KEYS: u32 = 1000;

/// How many message keys may be skipped: what a sender can make a receiver compute and keep (Double Ratchet, section
/// 8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkipLimits {
    /// The most keys that one message may skip in its chain: up to [`per_session`](Self::per_session), which is the
    /// default; 0 only if that is 0. What more is left of the chain before it is given up, so
    /// that a long silence does not end the session.
    pub per_message: u32,
    /// The most keys a session keeps: up to [`MAX_SKIPPED_KEYS`], which is the default; beyond it the oldest are dropped.
    pub per_session: u32,
}

impl Default for SkipLimits {
    fn default() -> Self {
        Self {
            per_message: MAX_SKIPPED_KEYS,
            per_session: MAX_SKIPPED_KEYS,
        }
    }
}

impl SkipLimits {
    /// Refuses to skip more keys than allowed, before any is derived.
    fn allow(&self, skipped: u32) -> Result<(), DecryptError> {
        let limit = self.per_message;
        if skipped > limit {
            return Err(DecryptError::TooManySkipped { skipped, limit });
        }
        Ok(())
    }
}
