//! The trait that a storage implements.

use alloc::string::String;
use alloc::vec::Vec;
use core::future::Future;

use crate::{AccountId, Batch, Committed, Key, Query, Revision, Snapshot, StorageError};

/// A place where accounts keep their records.
///
/// Futures may be dropped at any await: a load then did nothing, a commit was applied whole or not at all.
pub trait Storage: Send + Sync {
    /// Loads everything asked for in one round trip, as one consistent snapshot.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the storage cannot be reached or what it holds cannot be read.
    fn load(
        &self,
        account: &AccountId,
        query: &Query,
    ) -> impl Future<Output = Result<Snapshot, StorageError>> + Send;

    /// Writes all of the batch, or none of it if a record is not as the batch expects. One round trip; durable before
    /// it returns.
    ///
    /// Idempotent by [`Batch::id`]: a batch that was applied is answered with [`Committed::Applied`] again, without
    /// looking at its expectations, for at least ten minutes. A [purge](Self::purge) forgets that: sent again after one, a
    /// batch is judged anew, and applied once more if it expects nothing to be there.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; nothing was written unless its kind is
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    fn commit(
        &self,
        account: &AccountId,
        batch: &Batch,
    ) -> impl Future<Output = Result<Committed, StorageError>> + Send;

    /// Administration: up to `limit` accounts that have records, in any order; `after` goes on where a page ended.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the storage cannot be reached.
    fn accounts(
        &self,
        after: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<AccountId>, StorageError>> + Send;

    /// Administration: up to `limit` records of an account, without their values.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the storage cannot be reached.
    fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<RecordInfo>, StorageError>> + Send;

    /// Administration: removes an account with all it has, and what was remembered of its commits. A batch whose outcome is
    /// not known yet may bring back what it creates, if it is sent again afterwards; so end the account's clients first.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the storage cannot be reached.
    fn purge(&self, account: &AccountId) -> impl Future<Output = Result<(), StorageError>> + Send;
}

/// Where a page ended; opaque outside the storage that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What the page lists.
    pub entries: Vec<T>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// A record without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordInfo {
    /// Where it lies.
    pub key: Key,
    /// The commit that wrote it.
    pub revision: Revision,
    /// How many bytes its value has.
    pub bytes: usize,
}
