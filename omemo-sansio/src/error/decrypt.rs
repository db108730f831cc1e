//! Why a message was not decrypted.

use alloc::boxed::Box;

use super::Inconsistency;
use crate::keys::IdentityKey;
use crate::protocol::{PayloadError, WireError};
use crate::ratchet::DecryptError;
use crate::{DeviceId, PreKeyId};

/// Why a message was not decrypted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptFailure {
    /// The message was decrypted before. Not a failure to show: servers deliver twice.
    #[error("the message was decrypted before")]
    AlreadyDecrypted,
    /// No key element is for this device.
    #[error("the message was not encrypted to this device")]
    NotForUs,
    /// Several key elements are for this device, where there must be one: somebody has put messages together. Their
    /// number.
    #[error("the message has {0} key elements for this device")]
    SeveralKeys(usize),
    /// The message was sent by this very device.
    #[error("the message was sent by this device")]
    OwnMessage,
    /// The sending device is on no device list of the sender, even after a refresh.
    #[error("device {0} is on no device list of the sender")]
    SenderNotFound(DeviceId),
    /// The sender's identity key is distrusted.
    #[error("the sender's identity key is distrusted")]
    SenderDistrusted(IdentityKey),
    /// The message needs a session that does not exist. A new one is opened by an empty message through the outbox, at
    /// most once a device and day.
    #[error("there is no session with device {0}")]
    NoSession(DeviceId),
    /// The device's identity key is not the one it was known by.
    #[error(transparent)]
    PublicDataInconsistency(#[from] Box<Inconsistency>),
    /// The key exchange names a pre key that is not there: it was used before, or never existed.
    #[error("the key exchange needs pre key {0}, which is gone")]
    PreKeyGone(PreKeyId),
    /// The key exchange names a signed pre key that is not kept any more.
    #[error("the key exchange needs signed pre key {0}, which is gone")]
    SignedPreKeyGone(PreKeyId),
    /// Too many messages before this one are missing.
    #[error("the message skips {skipped} message keys, more than {limit}")]
    TooManySkippedMessageKeys {
        /// How many would have to be skipped.
        skipped: u32,
        /// How many may be.
        limit: u32,
    },
    /// The key element cannot be decrypted.
    #[error("the key element cannot be decrypted: {0}")]
    Session(#[source] DecryptError),
    /// The key element cannot be read.
    #[error("the key element cannot be read: {0}")]
    Wire(#[source] WireError),
    /// The payload cannot be decrypted.
    #[error("the payload cannot be decrypted: {0}")]
    Payload(#[source] PayloadError),
}
