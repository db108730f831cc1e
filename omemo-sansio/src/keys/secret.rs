//! The memory every secret of 32 bytes lives in.

use alloc::boxed::Box;
use core::fmt;
use core::ops::Deref;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::RecordError;
use crate::records::codec::Reader;

/// 32 secret bytes on the heap, so that a move copies a pointer alone, wiped when dropped. Not `Clone`, prints nothing.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secret(Box<[u8; 32]>);

impl Secret {
    /// Has the bytes written in place.
    pub(crate) fn fill(write: impl FnOnce(&mut [u8; 32])) -> Self {
        let mut bytes = Box::new([0; 32]);
        write(&mut bytes);
        Self(bytes)
    }

    /// Copies the bytes; the caller wipes the original.
    pub(crate) fn copy(bytes: &[u8; 32]) -> Self {
        Self::fill(|to| to.copy_from_slice(bytes))
    }

    /// Reads 32 bytes of a record straight to where they stay.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        let bytes = reader.take(32)?;
        Ok(Self::fill(|to| to.copy_from_slice(bytes)))
    }
}

impl Deref for Secret {
    type Target = [u8; 32];

    fn deref(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    fn wiped_when_dropped<T: ZeroizeOnDrop>() {}

    /// Compiles only with the features on that make the dependencies wipe what they hold.
    #[test]
    fn dependencies_wipe() {
        wiped_when_dropped::<Secret>();
        wiped_when_dropped::<aes::Aes256>();
        wiped_when_dropped::<cbc::Encryptor<aes::Aes256>>();
        wiped_when_dropped::<cbc::Decryptor<aes::Aes256>>();
        // HMAC has no such mark of its own; it is made of these.
        wiped_when_dropped::<sha2::Sha256>();
        wiped_when_dropped::<sha2::Sha512>();
        wiped_when_dropped::<ed25519_dalek::SigningKey>();
    }

    #[test]
    fn wipes_and_shows_nothing() {
        let mut secret = Secret::copy(&[0xab; 32]);
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        secret.zeroize();
        assert_eq!(*secret, [0; 32]);
    }
}
