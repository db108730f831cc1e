//! Keys: what identifies a device, what it agrees with, and what it signs with.
//!
//! Secret keys cannot be cloned, are wiped when dropped, live on the heap so that a move leaves no copy behind, and
//! print nothing of themselves.

pub(crate) mod curve;
mod error;
mod identity_key;
mod identity_key_pair;
pub(crate) mod kdf;
mod key_pair;
mod public;
mod secret;
mod shared_secret;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod xeddsa;

pub use error::{InvalidKey, InvalidSignature, NonContributory};
pub use identity_key::{Fingerprint, IdentityKey};
pub use identity_key_pair::IdentityKeyPair;
#[cfg(feature = "hazmat")]
pub(crate) use identity_key_pair::identity_of_scalar;
pub use key_pair::KeyPair;
pub use public::{PublicKey, Signature};
pub(crate) use secret::Secret;
pub use shared_secret::SharedSecret;
