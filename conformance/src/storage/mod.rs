//! What every storage must pass: one function for each behaviour of the contract, and a macro that makes a test of each.
//!
//! The author of a storage writes a [`Factory`], which opens the storage, and one line that makes the tests, with the
//! attribute they bear and what the factory cannot do:
//!
//! ```ignore
//! omemo_conformance::storage_suite!(tokio::test, Memory::default(), lacks: [Processes, Restart, Cut]);
//! ```
//!
//! Those without a test harness call [`run`], which answers a [`Report`].
//!
//! Concurrency is made with threads that each wait for their own calls, so the storage must run on any executor.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the module is test support: to panic is how a behaviour reports that it is broken"
)]

mod alternating;
pub mod behaviours;
pub mod cases;
mod factory;
mod report;
mod run;
mod suite;
mod tidy;

pub use alternating::Alternating;
pub use behaviours::write_until_killed;
pub use factory::{Capabilities, Capability, Factory, OpenedBy};
pub use report::{Outcome, Report, Verdict};
pub use run::{TIME_LIMIT, count, run, run_with};
