//! What can go wrong beyond the storage inside.

use alloc::format;
use core::fmt::Display;

use crate::{ErrorKind, Key, StorageError};

/// Something stored is not what was sealed.
pub(super) fn damaged(what: impl Display) -> StorageError {
    StorageError::new(
        ErrorKind::Corrupt,
        format!("{what} is damaged, or was put there by someone else"),
    )
}

/// A record is not what was sealed at its place; the names are those in the storage.
pub(super) fn damaged_record(key: &Key) -> StorageError {
    damaged(format!("the sealed record {}/{}", key.partition, key.item))
}

pub(super) fn unknown_master_key() -> StorageError {
    StorageError::new(
        ErrorKind::Misconfigured,
        "the keys of the account are wrapped by a master key that was not given",
    )
}

pub(super) fn not_sealed() -> StorageError {
    StorageError::new(
        ErrorKind::Misconfigured,
        "the account has records, but no keys: it was written without sealing",
    )
}

pub(super) fn newer_version(what: impl Display, version: u8) -> StorageError {
    StorageError::new(
        ErrorKind::UnsupportedVersion,
        format!("{what} was sealed by a newer version, in format {version}"),
    )
}

pub(super) fn keys_keep_changing() -> StorageError {
    StorageError::new(
        ErrorKind::Unavailable,
        "the keys of the account were replaced again and again meanwhile",
    )
}
