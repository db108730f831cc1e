//! What the errors of Redis and of the way to it mean to the contract. None of its messages holds a value or a password.

use omemo_storage::{ErrorKind, StorageError};
use redis::{RedisError, ServerError, ServerErrorKind};

/// Why one attempt of a call brought no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing was sent.
    NotSent(StorageError),
    /// It was sent, and the connection was lost or silent; the server may have carried it out.
    Lost(RedisError),
    /// The server refused it and carried out nothing.
    Refused(ServerError),
    /// It was carried out, and too few replicas have it.
    NotReplicated { acknowledged: i64, wanted: usize },
}

impl Failure {
    /// The error of a call that ends with this. `unknown`: it, or an earlier attempt of it, may have written.
    pub(crate) fn into_error(self, writes: bool, unknown: bool) -> StorageError {
        let certain = match self {
            Self::NotSent(error) => error,
            Self::Refused(refusal) => refused(&refusal),
            Self::Lost(lost) if writes => return outcome_unknown(lost),
            Self::Lost(lost) => connection(lost),
            Self::NotReplicated { acknowledged, wanted } => {
                let message = format!(
                    "the commit was written, but only {acknowledged} of {wanted} replicas have it so far"
                );
                return StorageError::new(ErrorKind::OutcomeUnknown, message);
            }
        };
        if unknown {
            outcome_unknown(certain)
        } else {
            certain
        }
    }
}

fn outcome_unknown(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StorageError {
    let message = "the connection to the server was lost, and whether the write took effect is not known";
    StorageError::new(ErrorKind::OutcomeUnknown, message).with_source(source)
}

/// The error of a connection that cannot be made, or was lost without harm.
pub(crate) fn connection(failed: RedisError) -> StorageError {
    let (kind, message) = match failed.kind() {
        redis::ErrorKind::AuthenticationFailed => (
            ErrorKind::Misconfigured,
            "the server does not accept the user and password",
        ),
        redis::ErrorKind::InvalidClientConfig => {
            (ErrorKind::Misconfigured, "this is no URL of a Redis server")
        }
        redis::ErrorKind::Server(_) | redis::ErrorKind::Extension => match failed.code() {
            Some(code) => meaning(code, failed.detail().unwrap_or_default()),
            None => (ErrorKind::Unavailable, "the server did not answer as expected"),
        },
        _ if failed.is_timeout() => (ErrorKind::Unavailable, "the server did not answer in time"),
        _ => (ErrorKind::Unavailable, "the connection to the server failed"),
    };
    let error = StorageError::new(kind, message);
    match failed.kind() {
        // What a server says may repeat what it was sent.
        redis::ErrorKind::Server(_) | redis::ErrorKind::Extension => error,
        _ => error.with_source(failed),
    }
}

/// The error of a call that the server refused.
pub(crate) fn refused(refusal: &ServerError) -> StorageError {
    let details = refusal.details().unwrap_or_default();
    let (kind, message) = meaning(refusal.code(), details);
    let error = StorageError::new(kind, message);
    match said(refusal.code(), details) {
        Some(said) => error.with_source(said),
        None => error,
    }
}

const NOT_PERMITTED: (ErrorKind, &str) = (
    ErrorKind::Misconfigured,
    "the user may not run a command, or use a key, that the storage needs",
);

fn meaning(code: &str, details: &str) -> (ErrorKind, &'static str) {
    match code {
        "LOADING" => (ErrorKind::Unavailable, "the server is still loading its data"),
        "BUSY" => (ErrorKind::Unavailable, "the server is busy with a script"),
        "READONLY" => (ErrorKind::Unavailable, "the server has become a replica"),
        "CLUSTERDOWN" => (ErrorKind::Unavailable, "the cluster is down"),
        "MASTERDOWN" => (
            ErrorKind::Unavailable,
            "the server is a replica that has lost its primary",
        ),
        "TRYAGAIN" | "MOVED" | "ASK" => (
            ErrorKind::Unavailable,
            "the account is moving to another server of the cluster",
        ),
        "NOREPLICAS" => (
            ErrorKind::Unavailable,
            "the server has fewer replicas than it needs to write",
        ),
        "MISCONF" => (ErrorKind::Unavailable, "the server cannot write to its disk"),
        "OOM" => (ErrorKind::Full, "the server has no memory left"),
        "WRONGTYPE" => (
            ErrorKind::Corrupt,
            "a key of the storage holds something of another type",
        ),
        "NOAUTH" | "WRONGPASS" => (
            ErrorKind::Misconfigured,
            "the server does not accept the user and password",
        ),
        "NOPERM" => NOT_PERMITTED,
        "ERR" if details.starts_with("The user executing the script") => NOT_PERMITTED,
        "DENIED" => (ErrorKind::Misconfigured, "the server is in protected mode"),
        "ERR" if details.starts_with("max number of clients") => {
            (ErrorKind::Unavailable, "the server has too many connections")
        }
        "ERR" if details.starts_with("unknown command") => (
            ErrorKind::Misconfigured,
            "the server lacks a command that the storage needs",
        ),
        _ => (ErrorKind::Corrupt, "Redis refused a command of the storage"),
    }
}

/// What the server said, unless it may repeat what it was sent.
fn said(code: &str, details: &str) -> Option<String> {
    let repeats = details.contains("beginning with") || details.contains('\'') && code == "ERR";
    (!repeats).then(|| format!("{code} {details}"))
}

/// What is stored is not what this storage writes.
pub(crate) fn corrupt(message: &'static str) -> StorageError {
    StorageError::new(ErrorKind::Corrupt, message)
}

pub(crate) fn misconfigured(message: impl Into<std::borrow::Cow<'static, str>>) -> StorageError {
    StorageError::new(ErrorKind::Misconfigured, message)
}

pub(crate) fn unavailable(message: impl Into<std::borrow::Cow<'static, str>>) -> StorageError {
    StorageError::new(ErrorKind::Unavailable, message)
}

/// Whether the server does not know the script.
pub(crate) fn is_unknown_script(refusal: &ServerError) -> bool {
    refusal.kind() == Some(ServerErrorKind::NoScript)
}
