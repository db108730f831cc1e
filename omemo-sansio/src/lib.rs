//! OMEMO end-to-end encryption (XEP-0384) as a synchronous core that does no I/O.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod keys;
pub mod protocol;
pub mod ratchet;
mod records;
mod types;

pub use records::RecordError;
pub use types::*;
