//! What is stored: the records of an account, where they lie, and how they are written as bytes.

mod account;
mod archive;
mod catch_up;
pub(crate) mod codec;
mod contact;
mod few;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod golden_debug;
#[cfg(feature = "hazmat")]
pub(crate) mod hazmat;
mod inbox;
mod outbox;
mod owed_trust;
pub(crate) mod place;
mod pre_keys;
mod protocol;
mod record;
mod trust_history;

pub(crate) use account::AccountRecord;
pub(crate) use archive::Archive;
pub(crate) use catch_up::{CatchUps, RunId};
pub use codec::RecordError;
pub(crate) use contact::{Contact, ContactDevice, Day, Levels, Relisted};
pub(crate) use inbox::{InboxIndex, InboxMessage};
pub(crate) use outbox::{Mark, MarkPlace, Receiver};
pub(crate) use owed_trust::OwedTrust;
pub use place::contact_of;
pub(crate) use pre_keys::{HiddenPreKey, PreKeys};
pub(crate) use protocol::{ProtocolRecord, RetiredSignedPreKey, SignedPreKey};
pub(crate) use record::Stored;
pub(crate) use trust_history::{Decision, Held, Statement, TrustHistory, Verdict};
