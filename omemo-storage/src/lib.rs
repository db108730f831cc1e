//! The storage contract of omemo.
//!
//! A [`Storage`] keeps, for each account, small opaque records in a two-level space of *partition* and *item*. It knows
//! nothing of OMEMO: names are text so that a person can read the database, values are bytes that only the protocol
//! core understands.
//!
//! Three promises make it fit for ratchets:
//!
//! * [`Storage::load`] answers a whole [`Query`] as one consistent [`Snapshot`].
//! * [`Storage::commit`] writes all of a [`Batch`] or none of it, and the writes are durable before it returns. A batch
//!   states which [`Revision`] of each record it relied on; if one has changed, the answer is [`Committed::Conflict`]
//!   and nothing is written. Commits of one account are therefore serializable.
//! * A commit is idempotent by its [`CommitId`]: sent again because the answer was lost, it is applied once.
//!
//! ```
//! use omemo_storage::{Batch, CommitId, Key, Revision, Value};
//!
//! let key = Key::new("contact/juliet@capulet.lit", "contact")?;
//! let mut batch = Batch::new(CommitId::from_bytes([7; 16]));
//! batch.put(key, None, Value::from(b"opaque".to_vec()));
//! assert_eq!(batch.writes(), 1);
//! batch.check()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod batch;
#[cfg(feature = "std")]
pub mod blocking;
#[cfg(feature = "cached")]
mod cached;
mod erased;
mod error;
mod metered;
mod name;
mod record;
#[cfg(feature = "tokio")]
pub mod runtime;
#[cfg(feature = "sealed")]
mod sealed;
mod storage;
#[cfg(test)]
mod tests;
mod transactional;
#[cfg(feature = "std")]
mod waiting;

pub use batch::{
    Batch, CommitId, Committed, MAX_RECORDS, Revision, Stake, WRAPPER_BYTES, WRAPPER_RECORDS, Write,
};
#[cfg(feature = "cached")]
pub use cached::Cached;
pub use erased::AnyStorage;
pub use error::{ErrorKind, Retry, StorageError};
pub use metered::{Counts, Metered};
pub use name::{AccountId, InvalidName, Key, MAX_NAME, Name};
pub use record::{MAX_VALUE, Query, Record, Snapshot, Value};
#[cfg(feature = "sealed")]
pub use sealed::{Keyring, MasterKey, Rekeyed, RekeyedAll, Sealed};
pub use storage::{Cursor, Page, RecordInfo, Storage};
pub use transactional::{Companion, CompanionError, Transactional};
