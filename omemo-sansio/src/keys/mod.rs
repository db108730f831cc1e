//! Keys.

mod public;

pub use public::{IdentityKey, PublicKey, Signature};
