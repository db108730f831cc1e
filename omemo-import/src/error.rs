//! What can be wrong with a source.

use omemo_sansio::keys::InvalidKey;
use omemo_sansio::{BareJid, InvalidJid};

/// Where in a source something is wrong, and what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} {problem}")]
pub struct ImportError {
    /// The place: the key in the storage, and the fields below it.
    pub place: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The whole source is no JSON; line and column.
    #[error("is not JSON (line {line}, column {column})")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// There is no such value.
    #[error("is missing")]
    Missing,
    /// The value is something else.
    #[error("is not {0}")]
    Not(&'static str),
    /// Bytes have another length.
    #[error("has {found} bytes, not {expected}")]
    Length {
        /// How many there must be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A public key or a private scalar is not valid.
    #[error("is not valid: {0}")]
    Key(InvalidKey),
    /// A JID is not valid.
    #[error("is not a bare JID: {0}")]
    Jid(InvalidJid),
    /// A key has no id in the list of ids.
    #[error("has no id in {0}")]
    NoId(String),
    /// A trust level has a name that nobody has given a meaning.
    #[error("is the trust level {0:?}, which has no counterpart here")]
    Level(String),
    /// The identity key is not the one that stands elsewhere in the source.
    #[error("is of another identity key")]
    OtherIdentity,
    /// The source is of another account than the one that was named.
    #[error("is of {0}")]
    OtherAccount(BareJid),
    /// It cannot be told which account the source is of.
    #[error("does not tell whose it is: name the account")]
    NoAccount,
    /// A version of the format that is not known here.
    #[error("is the unknown version {0:?}")]
    Version(String),
}
