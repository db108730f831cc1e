//! What SQLite's errors mean to the contract. None of its messages holds a value.

use omemo_storage::{ErrorKind, StorageError};
use sqlx::Error;

/// What the trigger says when an expectation fails.
const CONFLICT: &str = "omemo: conflict";

/// What SQLite says where a transaction is open already.
const WITHIN_A_TRANSACTION: &str = "cannot start a transaction within a transaction";

/// The primary result codes of SQLite that mean something: <https://sqlite.org/rescode.html>.
mod code {
    pub(super) const ERROR: i32 = 1;
    pub(super) const PERM: i32 = 3;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const TOOBIG: i32 = 18;
    pub(super) const CONSTRAINT: i32 = 19;
    pub(super) const NOTADB: i32 = 26;
}

/// The error of a statement that writes nothing, or of any before the batch is sent.
pub(crate) fn error(error: Error) -> StorageError {
    let (kind, message) = match primary_code(&error) {
        Some(code) => meaning(code),
        None => match error {
            Error::PoolTimedOut => (
                ErrorKind::Unavailable,
                "no connection to the database became free",
            ),
            Error::PoolClosed => (ErrorKind::Unavailable, "the storage is closed"),
            Error::ColumnDecode { .. } => (ErrorKind::Corrupt, "a stored record cannot be read"),
            Error::Configuration(_) => (ErrorKind::Misconfigured, "this is no URL of an SQLite database"),
            _ => (ErrorKind::Unavailable, "the connection to the database was lost"),
        },
    };
    StorageError::new(kind, message).with_source(error)
}

/// The error of a statement that may have been carried out.
pub(crate) fn error_of_write(failed: Error) -> StorageError {
    let unknown = match primary_code(&failed) {
        Some(code) => code == code::IOERR,
        None => !matches!(failed, Error::PoolTimedOut | Error::PoolClosed),
    };
    if unknown {
        let message = "writing to the database failed, and whether it took effect is not known";
        StorageError::new(ErrorKind::OutcomeUnknown, message).with_source(failed)
    } else {
        error(failed)
    }
}

/// The error of committing what the application has written along with a batch: constraints that are looked at only then are
/// its own, and so is a transaction that one of its statements has ended.
pub(crate) fn error_of_companion(failed: Error) -> StorageError {
    match primary_code(&failed) {
        Some(code::CONSTRAINT | code::ERROR) => {
            let message = "what the application writes along with a batch could not be committed";
            StorageError::new(ErrorKind::Companion, message).with_source(failed)
        }
        _ => error_of_write(failed),
    }
}

/// What is stored is not what this storage writes.
pub(crate) fn corrupt(message: &'static str) -> StorageError {
    StorageError::new(ErrorKind::Corrupt, message)
}

pub(crate) fn is_conflict(error: &Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.message() == CONFLICT)
}

/// Whether a transaction could not begin within one that is open. SQLite has no code for that.
pub(crate) fn is_within_a_transaction(error: &Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.message() == WITHIN_A_TRANSACTION)
}

/// Whether somebody else held the database.
pub(crate) fn is_busy(failed: &StorageError) -> bool {
    code_behind(failed) == Some(code::BUSY)
}

/// Whether it was to be written, and may not be.
pub(crate) fn is_refused_as_read_only(failed: &StorageError) -> bool {
    code_behind(failed) == Some(code::READONLY)
}

/// Whether a file could not be opened, be it the database or one beside it.
pub(crate) fn is_unopenable(failed: &StorageError) -> bool {
    code_behind(failed) == Some(code::CANTOPEN)
}

fn code_behind(failed: &StorageError) -> Option<i32> {
    let source = std::error::Error::source(failed)?;
    primary_code(source.downcast_ref::<Error>()?)
}

pub(crate) fn is_read_only(error: &Error) -> bool {
    primary_code(error) == Some(code::READONLY)
}

fn meaning(code: i32) -> (ErrorKind, &'static str) {
    match code {
        code::BUSY | code::LOCKED => (
            ErrorKind::Unavailable,
            "the database is locked by another process or connection",
        ),
        code::FULL => (ErrorKind::Full, "the disk is full, or the database may not grow"),
        code::READONLY => (ErrorKind::Misconfigured, "the database is read-only"),
        code::PERM => (
            ErrorKind::Misconfigured,
            "access to the database is not permitted",
        ),
        code::CANTOPEN => (ErrorKind::Unavailable, "the database file cannot be opened"),
        code::NOTADB => (ErrorKind::Corrupt, "the file is not a database"),
        code::CORRUPT => (ErrorKind::Corrupt, "the database is damaged"),
        code::TOOBIG => (
            ErrorKind::TooLarge,
            "the batch or a record is larger than SQLite allows",
        ),
        code::IOERR => (
            ErrorKind::Unavailable,
            "reading or writing the database file failed",
        ),
        _ => (ErrorKind::Corrupt, "SQLite refused a statement of the storage"),
    }
}

/// An extended result code has the primary one in its lowest byte.
fn primary_code(error: &Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?;
    Some(code.parse::<i32>().ok()? & 0xff)
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use sqlx::error::{DatabaseError, ErrorKind as SqlxKind};

    use super::*;

    /// An error of SQLite that a test cannot provoke.
    #[derive(Debug)]
    struct Fake(i32);

    impl fmt::Display for Fake {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "code {}", self.0)
        }
    }

    impl std::error::Error for Fake {}

    impl DatabaseError for Fake {
        fn message(&self) -> &str {
            "fake"
        }

        fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
            Some(self.0.to_string().into())
        }

        fn kind(&self) -> SqlxKind {
            SqlxKind::Other
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }
    }

    fn fake(code: i32) -> Error {
        Error::Database(Box::new(Fake(code)))
    }

    /// Whether the log reached the disk before a sync of it failed, nobody knows.
    #[test]
    fn failed_disk_leaves_a_write_unknown() {
        const SQLITE_IOERR_FSYNC: i32 = 10 | (4 << 8);
        assert_eq!(
            error_of_write(fake(SQLITE_IOERR_FSYNC)).kind(),
            ErrorKind::OutcomeUnknown
        );
        assert_eq!(error(fake(SQLITE_IOERR_FSYNC)).kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn lost_connection_leaves_a_write_unknown() {
        assert_eq!(
            error_of_write(Error::WorkerCrashed).kind(),
            ErrorKind::OutcomeUnknown
        );
        assert_eq!(error(Error::WorkerCrashed).kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn a_database_that_others_hold_is_told_from_others() {
        const SQLITE_BUSY_SNAPSHOT: i32 = 5 | (2 << 8);
        assert!(is_busy(&error(fake(5))));
        assert!(is_busy(&error(fake(SQLITE_BUSY_SNAPSHOT))));
        assert!(!is_busy(&error(fake(14))));
        assert!(!is_busy(&error(Error::PoolTimedOut)));
    }

    #[test]
    fn refusals_are_certain() {
        let kinds = [
            (5, ErrorKind::Unavailable),
            (5 | (2 << 8), ErrorKind::Unavailable),
            (8 | (1 << 8), ErrorKind::Misconfigured),
            (11, ErrorKind::Corrupt),
            (13, ErrorKind::Full),
            (14, ErrorKind::Unavailable),
            (18, ErrorKind::TooLarge),
            (26, ErrorKind::Corrupt),
        ];
        for (code, kind) in kinds {
            assert_eq!(error_of_write(fake(code)).kind(), kind);
            assert_eq!(error(fake(code)).kind(), kind);
        }
    }
}
