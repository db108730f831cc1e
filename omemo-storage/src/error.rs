//! What can go wrong with a storage.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use core::error::Error;
use core::fmt;

/// What went wrong, as a stable kind to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The storage cannot be reached, or is busy, for now. Nothing was written.
    Unavailable,
    /// What is stored cannot be understood: not a database, or damaged.
    Corrupt,
    /// A bound of the contract was passed. Nothing was written.
    TooLarge,
    /// A setting of the database keeps it from promising what the contract asks (read-only, not durable).
    Misconfigured,
    /// The database was written by a newer version of the storage.
    UnsupportedVersion,
    /// The database is a copy: not the one that was last in use, or that one with older content. Who goes on with it may use
    /// message keys twice; the storage says how to accept it all the same.
    Copy,
    /// There is no room left. Nothing was written.
    Full,
    /// What the application wanted to write along with a batch failed. Nothing was written.
    Companion,
    /// A commit was sent and its answer lost: it may have been applied or not. Send the same batch again.
    OutcomeUnknown,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Not before somebody has mended the cause.
    Never,
    /// The same call may go through later.
    Later,
    /// The very same batch must be sent again to learn how it ended.
    SameBatch,
}

/// An error of a storage: a kind, a sentence that names what and where, and its cause.
///
/// A failed [`commit`](crate::Storage::commit) has written nothing, unless its kind is [`ErrorKind::OutcomeUnknown`].
#[derive(Debug)]
pub struct StorageError {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StorageError {
    /// An error without a cause of its own. The message names what and where, never a value.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        match self.kind {
            ErrorKind::Unavailable | ErrorKind::Full => Retry::Later,
            ErrorKind::OutcomeUnknown => Retry::SameBatch,
            ErrorKind::Corrupt
            | ErrorKind::TooLarge
            | ErrorKind::Misconfigured
            | ErrorKind::Companion
            | ErrorKind::Copy
            | ErrorKind::UnsupportedVersion => Retry::Never,
        }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StorageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
