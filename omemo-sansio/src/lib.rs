//! OMEMO end-to-end encryption (XEP-0384) as a synchronous core that does no I/O.
//!
//! An [`Account`] makes an [`Operation`](engine::Operation) for each thing it is asked to do. The operation is advanced;
//! it answers with effects to perform (load these records, commit this batch, download that bundle) or with its result.
//! Nothing has happened before its commit, and nothing leaves before it:
//!
//! ```
//! use omemo_sansio::engine::{Effect, Operation, Step};
//! use omemo_sansio::{Error, Timestamp};
//! use rand_core::CryptoRng;
//!
//! fn drive<T>(
//!     mut operation: Operation<T>,
//!     now: Timestamp,
//!     rng: &mut dyn CryptoRng,
//!     mut perform: impl FnMut(&mut Operation<T>, Effect),
//! ) -> Result<T, Error> {
//!     loop {
//!         match operation.advance(now, rng) {
//!             // Perform each, in any order or at once, and answer it by `Operation::fulfil`.
//!             Step::Perform(effects) => effects.into_iter().for_each(|effect| perform(&mut operation, effect)),
//!             Step::Done(result) => return result,
//!         }
//!     }
//! }
//! ```
//!
//! Time and randomness are arguments; storage, network and people are effects. The crate `omemo` drives operations for
//! those who want to await or to block.
// With it in tests, what `mutants/run` puts in place of a result compiles in every file.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod engine;
mod error;
mod examine;
#[cfg(feature = "hazmat")]
pub mod hazmat;
pub mod keys;
mod limits;
mod operations;
mod pre_key_policy;
pub mod protocol;
pub mod ratchet;
mod records;
mod settings;
pub mod transfer;
pub mod trust;
mod types;

pub use error::{
    Advice, BundleFailure, DecryptFailure, EncryptFailure, Error, Inconsistency, NetworkError, SkipReason,
    SkippedDevice, WithoutNames,
};
pub use examine::{Finding, Problem, contact_records, examine_contact, examine_own, own_records};
pub use limits::{Limits, MAX_INBOX_BYTES, MAX_INBOX_MESSAGES, MAX_PAYLOAD};
pub use operations::*;
pub use pre_key_policy::{HideDuringCatchUp, PreKeyPolicy, UsedPreKey};
pub use records::{RecordError, contact_of};
pub use settings::{InvalidSettings, Settings};
pub use types::*;
