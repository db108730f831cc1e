//! What every storage of omemo must pass, and what the protocol must bear on it.
//!
//! For authors of storages: [`storage`] has the behaviours of the contract, one function each, and the macro that makes
//! a test of each; [`faults`] has the protocol bear a fault at each of its effects on your storage.

pub mod faults;
pub mod storage;
#[cfg(feature = "vectors")]
pub mod vectors;
