//! What every storage of omemo must pass, and what the protocol must bear on it.
//!
//! For authors of storages: [`storage`] has the behaviours of the contract, one function each, and the macro that makes
//! a test of each; [`faults`] has the protocol bear a fault at each of its effects on your storage.

use std::any::Any;
use std::hash::{BuildHasher, RandomState};

pub mod faults;
pub mod life;
mod scene;
pub mod storage;
#[cfg(feature = "vectors")]
pub mod vectors;

/// Unlike any other call's result, in this process or another: the hasher's keys are drawn at random.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// What a thread said when it panicked.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panicked without a message".to_owned())
}
