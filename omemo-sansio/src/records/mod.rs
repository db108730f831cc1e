//! What is stored: the records of an account, and how they are written as bytes.

pub(crate) mod codec;

pub use codec::RecordError;
