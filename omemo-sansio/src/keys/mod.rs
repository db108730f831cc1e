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

/// How often the costly computations ran on this thread: costs as counts, since counts are not noisy.
#[cfg(test)]
pub(crate) mod count {
    use core::cell::Cell;
    use std::thread_local;

    use super::curve::Factor;

    thread_local! {
        static AGREEMENTS: Cell<usize> = const { Cell::new(0) };
        static PUBLIC_KEYS: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn multiplication(factor: &Factor<'_>) {
        match factor {
            Factor::Base => PUBLIC_KEYS.set(PUBLIC_KEYS.get() + 1),
            Factor::Point(_) => AGREEMENTS.set(AGREEMENTS.get() + 1),
        }
    }

    /// The agreements and the public keys that `work` computed.
    pub(crate) fn during<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
        let before = (AGREEMENTS.get(), PUBLIC_KEYS.get());
        let result = work();
        (result, AGREEMENTS.get() - before.0, PUBLIC_KEYS.get() - before.1)
    }
}
