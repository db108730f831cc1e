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
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod engine;
mod error;
#[cfg(feature = "hazmat")]
pub mod hazmat;
pub mod keys;
mod operations;
pub mod protocol;
pub mod ratchet;
mod records;
mod settings;
pub mod trust;
mod types;

pub use error::{
    BundleFailure, DecryptFailure, EncryptFailure, Error, Inconsistency, NetworkError, SkipReason,
    SkippedDevice,
};
pub use operations::*;
pub use records::RecordError;
pub use settings::{InvalidSettings, Settings};
pub use types::*;
