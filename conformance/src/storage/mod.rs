//! What every storage must pass: one function for each behaviour of the contract, and a macro that makes a test of each.
//!
//! The author of a storage writes a [`Factory`], which opens the storage, and one line that makes the tests, with the
//! attribute they bear and what the factory cannot do:
//!
//! ```no_run
//! # use omemo_conformance::storage::{Capabilities, Capability, Factory};
//! # use omemo_storage::StorageError;
//! # use omemo_storage_memory::MemoryStorage;
//! # #[derive(Default)]
//! # struct Mine(MemoryStorage);
//! # impl Factory for Mine {
//! #     type Storage = MemoryStorage;
//! #     async fn open(&self) -> Result<MemoryStorage, StorageError> { Ok(self.0.clone()) }
//! #     fn capabilities(&self) -> Capabilities { Capabilities::default() }
//! # }
//! omemo_conformance::storage_suite!(tokio::test, Mine::default(), lacks: [Processes, Restart, Cut]);
//! # fn main() {}
//! ```
//!
//! Those without a test harness call [`run`], which answers a [`Report`]. `examples/directory` is a storage of somebody
//! else's design, with its factory and a program that runs the suite.
//!
//! What a factory cannot do ([`Capability`]) is never skipped in silence: the behaviour reports that it is not
//! applicable, and the factory's capabilities are compared with those stated beside it.
//!
//! The storage under test need not be empty and may be in use: each behaviour works on accounts with random names, which
//! are purged at its end, and the purge is checked.
//!
//! Concurrency is made with threads that each wait for their own calls, so the storage must run on any executor.
//!
//! The suite itself is tested, in `tests/broken.rs`: some seventy storages, each broken in one way, are each caught by
//! the behaviour that is named there.
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
pub use run::{TIME_LIMIT, behaviour_names, count, run, run_with};
