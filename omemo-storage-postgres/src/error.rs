//! What PostgreSQL's errors mean to the contract.
//!
//! The server's own words may hold names of accounts and values ("Failing row contains ..."), so of its errors the
//! code is kept, and the message only of kinds that speak of the server's state.

use std::fmt;

use omemo_storage::{ErrorKind, StorageError};
use sqlx::Error;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// The codes that mean something by themselves: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
mod code {
    /// What the storage's own function says of a transaction that is not read committed.
    pub(super) const ISOLATION: &str = "OM001";
    pub(super) const UNIQUE_VIOLATION: &str = "23505";
    pub(super) const READ_ONLY: &str = "25006";
    pub(super) const FAILED_TRANSACTION: &str = "25P02";
    pub(super) const NO_SUCH_STATEMENT: &str = "26000";
    pub(super) const WITHIN_TRANSACTION: &str = "2D000";
    pub(super) const SERIALIZATION_FAILURE: &str = "40001";
    pub(super) const DEADLOCK: &str = "40P01";
    pub(super) const NOT_PERMITTED: &str = "42501";
    pub(super) const SYNTAX: &str = "42601";
    pub(super) const DUPLICATE_STATEMENT: &str = "42P05";
    pub(super) const DISK_FULL: &str = "53100";
    pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";
    pub(super) const INTERNAL: &str = "XX000";
}

/// The error of a statement that writes nothing, or of any before the batch is sent.
pub(crate) fn error(error: Error) -> StorageError {
    let (kind, message) = match &error {
        Error::Database(refused) => meaning(&refused.code().unwrap_or_default()),
        Error::PoolTimedOut => (
            ErrorKind::Unavailable,
            "no connection to the database became free in time",
        ),
        Error::PoolClosed => (ErrorKind::Unavailable, "the storage is closed"),
        Error::ColumnDecode { .. } | Error::Decode(_) | Error::ColumnIndexOutOfBounds { .. } => {
            (ErrorKind::Corrupt, "a stored record cannot be read")
        }
        Error::Encode(_) => (ErrorKind::TooLarge, "the batch is larger than PostgreSQL allows"),
        // What it complains of may be a part of the URL.
        Error::Configuration(_) => {
            let message = "this is no URL of a PostgreSQL database";
            return StorageError::new(ErrorKind::Misconfigured, message);
        }
        Error::Tls(_) => (
            ErrorKind::Misconfigured,
            "no encrypted connection to the database can be had",
        ),
        Error::Io(failed) if failed.kind() == std::io::ErrorKind::TimedOut => {
            (ErrorKind::Unavailable, "the database did not answer in time")
        }
        _ => (ErrorKind::Unavailable, "the connection to the database was lost"),
    };
    StorageError::new(kind, message).with_source(cause(error))
}

/// The error of a statement that may have been carried out.
pub(crate) fn error_of_write(failed: Error) -> StorageError {
    let certain = match &failed {
        Error::Database(_) => !is_lost(&failed),
        Error::Encode(_) => true,
        _ => false,
    };
    if certain {
        error(failed)
    } else {
        let message =
            "the connection to the database was lost, and whether the write took effect is not known";
        StorageError::new(ErrorKind::OutcomeUnknown, message).with_source(cause(failed))
    }
}

/// Whether the connection is of no use any more. A server that only refuses a statement undoes it and goes on.
pub(crate) fn is_lost(error: &Error) -> bool {
    match error {
        Error::Database(refused) => {
            let severity = refused
                .try_downcast_ref::<PgDatabaseError>()
                .map_or(PgSeverity::Fatal, PgDatabaseError::severity);
            // A pooler says with a code of class 08 that it lost the server.
            !matches!(severity, PgSeverity::Error)
                || refused.code().is_some_and(|code| code.starts_with("08"))
        }
        Error::Encode(_) | Error::ColumnDecode { .. } | Error::Decode(_) => false,
        _ => true,
    }
}

/// Whether the connection was lent within a transaction that somebody else has left open.
pub(crate) fn is_in_transaction(error: &Error) -> bool {
    let code = error.as_database_error().and_then(|refused| refused.code());
    code.is_some_and(|code| [code::FAILED_TRANSACTION, code::WITHIN_TRANSACTION].contains(&&*code))
}

/// Somebody else came first; nothing was written.
pub(crate) fn is_conflict(error: &Error) -> bool {
    let code = error.as_database_error().and_then(|refused| refused.code());
    code.is_some_and(|code| {
        [
            code::UNIQUE_VIOLATION,
            code::SERIALIZATION_FAILURE,
            code::DEADLOCK,
        ]
        .contains(&&*code)
    })
}

/// What is stored is not what this storage writes.
pub(crate) fn corrupt(message: &'static str) -> StorageError {
    StorageError::new(ErrorKind::Corrupt, message)
}

fn meaning(code: &str) -> (ErrorKind, &'static str) {
    match code {
        code::ISOLATION => (
            ErrorKind::Misconfigured,
            "default_transaction_isolation, or the isolation of the transaction, is not read committed",
        ),
        // Whatever has no code of its own: for one, that a session cannot begin because the disk is full.
        code::INTERNAL => (ErrorKind::Unavailable, "the server has met an error of its own"),
        code::READ_ONLY => (
            ErrorKind::Misconfigured,
            "the server or the session is read-only (default_transaction_read_only, or a replica)",
        ),
        code::FAILED_TRANSACTION | code::WITHIN_TRANSACTION => (
            ErrorKind::Unavailable,
            "the connection is within a transaction that was not ended, or has failed",
        ),
        code::NO_SUCH_STATEMENT | code::DUPLICATE_STATEMENT => (
            ErrorKind::Misconfigured,
            "prepared statements get lost or mixed up, as through a pooler of transactions: say pgbouncer() when opening",
        ),
        code::NOT_PERMITTED => (
            ErrorKind::Misconfigured,
            "the role is not permitted to use the storage's tables or functions",
        ),
        code::DISK_FULL => (ErrorKind::Full, "the disk of the database is full"),
        code::SERIALIZATION_FAILURE | code::DEADLOCK => (
            ErrorKind::Unavailable,
            "the statement stood in the way of another",
        ),
        code::LOCK_NOT_AVAILABLE => (
            ErrorKind::Unavailable,
            "a lock was not to be had within lock_timeout",
        ),
        _ => meaning_of_class(code.get(..2).unwrap_or_default()),
    }
}

/// The first two characters of a code are its class.
fn meaning_of_class(class: &str) -> (ErrorKind, &'static str) {
    match class {
        "08" => (ErrorKind::Unavailable, "the connection to the database was lost"),
        "28" => (ErrorKind::Misconfigured, "the server does not let this role in"),
        "3D" => (ErrorKind::Misconfigured, "the server has no such database"),
        "40" => (ErrorKind::Unavailable, "the transaction was rolled back"),
        "53" => (
            ErrorKind::Unavailable,
            "the server is short of connections or memory",
        ),
        "54" => (
            ErrorKind::TooLarge,
            "the batch or a record is larger than PostgreSQL allows",
        ),
        "57" => (
            ErrorKind::Unavailable,
            "the server is stopping or starting, or has cancelled the statement",
        ),
        "58" => (
            ErrorKind::Unavailable,
            "reading or writing the server's files failed",
        ),
        "XX" => (ErrorKind::Corrupt, "the database is damaged"),
        _ => (
            ErrorKind::Corrupt,
            "PostgreSQL refused a statement of the storage",
        ),
    }
}

/// What may be told of an error's cause.
fn cause(error: Error) -> Box<dyn std::error::Error + Send + Sync> {
    let Error::Database(refused) = &error else {
        return Box::new(error);
    };
    let code = refused.code().unwrap_or_default().into_owned();
    let speaks_of_data = code == code::SYNTAX
        || ![
            "08", "25", "26", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "OM", "XX",
        ]
        .iter()
        .any(|class| code.starts_with(class));
    let message = (!speaks_of_data).then(|| refused.message().to_owned());
    Box::new(Refusal { code, message })
}

/// What the server said, without what it said of the data.
#[derive(Debug)]
struct Refusal {
    code: String,
    message: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "{message} (SQLSTATE {})", self.code),
            None => write!(f, "SQLSTATE {}", self.code),
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_a_meaning() {
        for (code, kind) in [
            ("08006", ErrorKind::Unavailable),
            ("25006", ErrorKind::Misconfigured),
            ("25P02", ErrorKind::Unavailable),
            ("26000", ErrorKind::Misconfigured),
            ("2D000", ErrorKind::Unavailable),
            ("28P01", ErrorKind::Misconfigured),
            ("3D000", ErrorKind::Misconfigured),
            ("40001", ErrorKind::Unavailable),
            ("42501", ErrorKind::Misconfigured),
            ("42P01", ErrorKind::Corrupt),
            ("53100", ErrorKind::Full),
            ("53200", ErrorKind::Unavailable),
            ("53300", ErrorKind::Unavailable),
            ("54000", ErrorKind::TooLarge),
            ("55P03", ErrorKind::Unavailable),
            ("57014", ErrorKind::Unavailable),
            ("57P01", ErrorKind::Unavailable),
            ("57P03", ErrorKind::Unavailable),
            ("58030", ErrorKind::Unavailable),
            ("OM001", ErrorKind::Misconfigured),
            ("XX000", ErrorKind::Unavailable),
            ("XX001", ErrorKind::Corrupt),
            ("", ErrorKind::Corrupt),
        ] {
            assert_eq!(meaning(code).0, kind, "{code}");
        }
    }

    #[test]
    fn lost_connection_leaves_a_write_unknown() {
        let lost = || Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(error_of_write(lost()).kind(), ErrorKind::OutcomeUnknown);
        assert_eq!(error(lost()).kind(), ErrorKind::Unavailable);
        assert!(is_lost(&lost()));
    }

    #[test]
    fn what_is_too_large_was_not_sent() {
        let too_large = || Error::Encode("too large".into());
        assert_eq!(error_of_write(too_large()).kind(), ErrorKind::TooLarge);
        assert!(!is_lost(&too_large()));
    }
}
