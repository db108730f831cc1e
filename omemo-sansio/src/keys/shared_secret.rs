//! What two keys agree on.

use core::fmt;

use super::Secret;

/// The result of a Diffie-Hellman agreement: 32 bytes, never all zero. Compared in no way: derive a key from it.
pub struct SharedSecret(Secret);

impl SharedSecret {
    pub(crate) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("SharedSecret(..)")
    }
}
