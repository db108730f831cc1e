//! The keys that wrap the keys of the accounts.

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::prf::Prf;

/// A master key: 32 secret random bytes, kept outside of the storage. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct MasterKey {
    /// Hashed into ids and wrapping keys, never used otherwise.
    key: Prf,
    id: MasterKeyId,
}

/// What tells master keys apart without telling what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MasterKeyId(pub(super) [u8; 8]);

impl MasterKey {
    /// Takes 32 bytes, which must be random: not a password, nor made of one without a function meant for that.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        let key = Prf::new(&bytes);
        let mut id = [0; 8];
        id.iter_mut()
            .zip(key.of(&[b"omemo-sealed master key id"]).iter())
            .for_each(|(to, from)| *to = *from);
        Self {
            key,
            id: MasterKeyId(id),
        }
    }

    pub(super) fn id(&self) -> MasterKeyId {
        self.id
    }

    /// The key that wraps what one commit writes in one account.
    pub(super) fn wrapping_key(&self, account: &str, revision: &[u8; 16]) -> Zeroizing<[u8; 32]> {
        self.key
            .of(&[b"omemo-sealed wrapping key", revision, account.as_bytes()])
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key: _, id: _ } = self;
        f.write_str("MasterKey")
    }
}

/// The master keys that a program knows: one to wrap with, and older ones that it can still unwrap with.
///
/// ```
/// use omemo_storage::{Keyring, MasterKey};
///
/// let (new, old) = ([1; 32], [2; 32]); // Random bytes from wherever secrets are kept.
/// let keyring = Keyring::new(MasterKey::from_bytes(new)).with_older(MasterKey::from_bytes(old));
/// assert_eq!(format!("{keyring:?}"), "Keyring(2 keys)");
/// ```
#[derive(Clone)]
pub struct Keyring {
    current: MasterKey,
    older: Vec<MasterKey>,
}

impl Keyring {
    /// A keyring with the one key that is used from now on.
    pub fn new(current: MasterKey) -> Self {
        let older = Vec::new();
        Self { current, older }
    }

    /// Adds a key that accounts may still be wrapped by.
    #[must_use]
    pub fn with_older(mut self, key: MasterKey) -> Self {
        self.older.push(key);
        self
    }

    pub(super) fn current(&self) -> &MasterKey {
        &self.current
    }

    pub(super) fn find(&self, id: MasterKeyId) -> Option<&MasterKey> {
        core::iter::once(&self.current)
            .chain(&self.older)
            .find(|key| key.id() == id)
    }
}

impl From<MasterKey> for Keyring {
    fn from(current: MasterKey) -> Self {
        Self::new(current)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { current: _, older } = self;
        write!(f, "Keyring({} keys)", older.len() + 1)
    }
}
