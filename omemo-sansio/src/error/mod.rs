//! How an operation can fail.

mod bundle;
mod decrypt;
mod encrypt;
mod nameless;
mod network;

use alloc::string::String;

use omemo_storage::{InvalidName, StorageError};

use crate::records::RecordError;
use crate::settings::InvalidSettings;
use crate::{BareJid, Namespace};

pub use bundle::{BundleFailure, Inconsistency};
pub use decrypt::{Advice, DecryptFailure};
pub use encrypt::{EncryptFailure, SkipReason, SkippedDevice};
pub use nameless::WithoutNames;
pub use network::NetworkError;

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
    /// The account was opened before: what is there would be overwritten.
    #[error("the account is there already")]
    AlreadyThere,
    /// A backup is that of another account.
    #[error("the backup is that of {0}")]
    OtherAccount(BareJid),
    /// An older copy of the account was put back, and accepting it was interrupted: open the account by
    /// `Builder::accept_copy` once more.
    #[error("an older copy of the account was put back, and is not accepted to the end yet")]
    AcceptingCopy,
    /// What is asked for cannot be done to the own account.
    #[error("this cannot be done to the own account")]
    OwnAccount,
    /// The inbox is full: acknowledge what is in it. The message was not decrypted and can be later.
    #[error("the inbox is full: {messages} messages, {bytes} bytes")]
    InboxFull {
        /// How many messages are in it.
        messages: u32,
        /// How many bytes their plaintexts have.
        bytes: u64,
    },
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
    #[error("{what} is too large: {size}, more than {limit}")]
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

impl From<InvalidName> for Error {
    fn from(_: InvalidName) -> Self {
        Self::Internal("a record's name is invalid")
    }
}
