//! Why sessions cannot be opened, encrypt or decrypt.

use crate::PreKeyId;
use crate::keys::NonContributory;

/// Why a session cannot be opened with a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyExchangeError {
    /// The signed pre key is not signed by the bundle's identity key (X3DH, section 3.3).
    #[error("the signed pre key's signature is invalid")]
    InvalidSignature,
    /// The bundle does not have the pre key that was chosen.
    #[error("the bundle has no pre key {0}")]
    NoPreKey(PreKeyId),
    /// One of the bundle's keys has small order.
    #[error(transparent)]
    NonContributory(#[from] NonContributory),
}

/// Why a session cannot encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// The sending chain has 2^32 - 1 messages and the other side never answered; the next number does not exist.
    #[error("the sending chain is exhausted")]
    ChainExhausted,
}

/// Why a message cannot be decrypted. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// The message's key was used before, so that it is a repetition; or it was dropped unread, which
    /// [`Decrypted::AlreadyDecrypted`](crate::Decrypted::AlreadyDecrypted) says more of.
    #[error("the message was decrypted before")]
    AlreadyDecrypted,
    /// The message skips more keys of a chain than [`SkipLimits::per_message`](super::SkipLimits::per_message) allows.
    #[error("the message skips {skipped} keys, more than {limit}")]
    TooManySkipped {
        /// How many it skips.
        skipped: u32,
        /// How many it may skip.
        limit: u32,
    },
    /// The MAC is wrong: the message was changed, or belongs to another session.
    #[error("the message is not authentic")]
    InvalidMac,
    /// The sender's ratchet key, or a key of its key exchange, has small order.
    #[error(transparent)]
    NonContributory(#[from] NonContributory),
    /// The skipped keys have to be given. Load them, and decrypt again. What
    /// [`needs_skipped_keys`](super::Session::needs_skipped_keys) does not foresee is a message of a chain so old that it
    /// is not remembered.
    #[error("the skipped message keys are needed")]
    SkippedKeysNeeded,
    /// The message is authentic, and still not what the protocol describes (its padding is wrong): its sender is faulty.
    #[error("the message is malformed")]
    Malformed,
}
