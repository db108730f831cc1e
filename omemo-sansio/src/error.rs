//! How an operation can fail.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use omemo_storage::{InvalidName, StorageError};

use crate::keys::IdentityKey;
use crate::protocol::{PayloadError, WireError};
use crate::ratchet::{DecryptError, EncryptError, KeyExchangeError};
use crate::records::RecordError;
use crate::settings::InvalidSettings;
use crate::trust::UndecidedKey;
use crate::{BareJid, DeviceId, Namespace, PreKeyId};

/// Why an operation failed. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The storage failed.
    #[error("the storage failed: {0}")]
    Storage(#[source] StorageError),
    /// Others changed the same records at every attempt.
    #[error("others changed the same records {attempts} times in a row")]
    Contention {
        /// How often the operation was run.
        attempts: u32,
    },
    /// A record cannot be read.
    #[error("the record {item} of {partition} cannot be read: {source}")]
    Corrupt {
        /// The partition it lies in.
        partition: String,
        /// Its item.
        item: String,
        /// What is wrong with it.
        source: RecordError,
    },
    /// A setting is out of its bounds.
    #[error("the settings are invalid: {0}")]
    Settings(#[source] InvalidSettings),
    /// The account was never opened: there is no identity yet.
    #[error("the account was not opened before")]
    NotOpened,
    /// The protocol is not among the settings' protocols.
    #[error("the protocol {0} is not spoken here")]
    UnknownNamespace(Namespace),
    /// A trust level has a name that the policy does not know.
    #[error("the trust policy does not know the level {0:?}")]
    UnknownTrustLevel(String),
    /// Something outside failed that the operation cannot do without.
    #[error("{what} failed: {source}")]
    Network {
        /// What was tried.
        what: &'static str,
        /// How it failed.
        source: NetworkError,
    },
    /// More was given than is taken.
    #[error("{what} of {size} is more than {limit}")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// How large it was.
        size: usize,
        /// How large it may be.
        limit: usize,
    },
    /// Sending failed.
    #[error(transparent)]
    Encrypt(#[from] EncryptFailure),
    /// Receiving failed.
    #[error(transparent)]
    Decrypt(#[from] DecryptFailure),
    /// A fault of this library; please report it.
    #[error("internal fault: {0}")]
    Internal(&'static str),
}

/// Why nothing was encrypted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptFailure {
    /// The question was asked and these keys are still undecided; decisions that were made are kept.
    #[error("{} identity keys are still undecided", .0.len())]
    StillUndecided(Vec<UndecidedKey>),
    /// These recipients have no device that could be written to. What is known of each device is in `skipped` of the
    /// attempt.
    #[error("{} recipients have no eligible device", .jids.len())]
    NoEligibleDevices {
        /// The recipients.
        jids: Vec<BareJid>,
        /// Why each of their devices, and of the others', was left out.
        skipped: Vec<crate::operations::SkippedDevice>,
    },
    /// No recipient was given.
    #[error("no recipient was given")]
    NoRecipient,
    /// A ratchet cannot go on.
    #[error("the session with device {device} cannot encrypt: {source}")]
    Session {
        /// The device.
        device: DeviceId,
        /// What is wrong.
        source: EncryptError,
    },
    /// The plaintext cannot be encrypted.
    #[error("the plaintext cannot be encrypted: {0}")]
    Payload(#[source] PayloadError),
}

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

/// A device presents another identity key than it is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("device {device} presents another identity key than it is known by")]
pub struct Inconsistency {
    /// The device.
    pub device: DeviceId,
    /// The key it is known by.
    pub known: IdentityKey,
    /// The key in its message or its bundle.
    pub presented: IdentityKey,
}

/// How a key exchange that we began failed, for one device.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BundleFailure {
    /// The device has no bundle.
    Missing,
    /// The bundle could not be downloaded.
    Network(NetworkError),
    /// The bundle holds no pre key; key exchanges without one are not allowed (XEP-0384, section 4.3).
    NoPreKeys,
    /// The bundle cannot be used.
    Invalid(Arc<KeyExchangeError>),
    /// The bundle holds another identity key than the device is known by.
    Inconsistent(Box<Inconsistency>),
}

impl fmt::Display for BundleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the device has no bundle"),
            Self::NoPreKeys => f.write_str("the bundle holds no pre key"),
            Self::Network(error) => write!(f, "the bundle could not be downloaded: {error}"),
            Self::Invalid(error) => write!(f, "the bundle cannot be used: {error}"),
            Self::Inconsistent(inconsistency) => inconsistency.fmt(f),
        }
    }
}

impl core::error::Error for BundleFailure {}

/// What went wrong outside. Cheap to clone, so that it can stand in several results.
#[derive(Clone, Debug)]
pub struct NetworkError(Arc<dyn core::error::Error + Send + Sync>);

impl NetworkError {
    /// Wraps the error of whoever does the network.
    pub fn new(error: impl Into<Box<dyn core::error::Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for NetworkError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.0.source()
    }
}

impl From<InvalidName> for Error {
    fn from(_: InvalidName) -> Self {
        Self::Internal("a record's name is invalid")
    }
}
