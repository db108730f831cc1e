//! What is stored: the records of an account, where they lie, and how they are written as bytes.

mod account;
mod archive;
mod catch_up;
pub(crate) mod codec;
mod contact;
#[cfg(test)]
mod golden;
mod outbox;
pub(crate) mod place;
mod pre_keys;
mod protocol;
mod record;

pub(crate) use account::AccountRecord;
pub(crate) use archive::Archive;
pub(crate) use catch_up::{CatchUps, RunId};
pub use codec::RecordError;
pub(crate) use contact::{Contact, ContactDevice};
pub(crate) use outbox::{Mark, MarkPlace};
pub(crate) use pre_keys::{HiddenPreKey, PreKeys};
pub(crate) use protocol::{ProtocolRecord, RetiredSignedPreKey, SignedPreKey};
pub(crate) use record::Stored;
