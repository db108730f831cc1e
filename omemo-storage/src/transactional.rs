//! Storages whose commits can carry writes of the application.

use alloc::boxed::Box;
use core::error::Error;
use core::future::Future;
use core::pin::Pin;

use crate::{AccountId, Batch, Committed, Storage, StorageError};

/// Why the application's own writes failed.
pub type CompanionError = Box<dyn Error + Send + Sync>;

/// The application's own writes, on their way.
pub type Companion<'t> = Pin<Box<dyn Future<Output = Result<(), CompanionError>> + Send + 't>>;

/// A storage in a database that the application may write in too: its writes and a batch take effect together or not at
/// all.
pub trait Transactional: Storage {
    /// What the application writes through. It is within a transaction that the storage began, and will end.
    type Transaction: Send;

    /// [`Storage::commit`], and in the same transaction what `companion` writes.
    ///
    /// `companion` runs after the batch was written, and only if it is applied now: its writes vanish with a conflict, and
    /// a batch that is sent again because the answer to it was lost took them along the first time. It must not end the
    /// transaction.
    ///
    /// # Errors
    ///
    /// As [`Storage::commit`]; [`ErrorKind::Companion`](crate::ErrorKind::Companion) if `companion` failed, and nothing
    /// was written.
    fn commit_with<C>(
        &self,
        account: &AccountId,
        batch: &Batch,
        companion: C,
    ) -> impl Future<Output = Result<Committed, StorageError>> + Send
    where
        C: for<'t> FnOnce(&'t mut Self::Transaction) -> Companion<'t> + Send;
}
