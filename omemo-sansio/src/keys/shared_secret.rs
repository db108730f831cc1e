//! What two keys agree on.

use core::fmt;

use super::{NonContributory, Secret};

/// The result of a Diffie-Hellman agreement: 32 bytes, never all zero. Compared in no way: derive a key from it.
pub struct SharedSecret(Secret);

impl SharedSecret {
    /// Refuses a result that is all zero, looking at every byte whatever the others are.
    pub(crate) fn new(secret: Secret) -> Result<Self, NonContributory> {
        let any = secret.iter().fold(0, |any, byte| any | byte);
        if any == 0 {
            Err(NonContributory)
        } else {
            Ok(Self(secret))
        }
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
