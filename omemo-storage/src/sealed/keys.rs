//! The keys of an account.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::{ErrorKind, Key, Revision, StorageError};

use super::cipher::Cipher;
use super::names::Names;
use super::prf::{Prf, random_key};

/// The most data keys an account may have.
pub(super) const MAX_DATA_KEYS: usize = 1_000;

/// Bytes of a data key with its number.
const NUMBERED: usize = 4 + 32;

/// The secrets that an account's key record holds: a key for names, which stays, and data keys by their numbers.
pub(super) struct Secrets {
    names: Zeroizing<[u8; 32]>,
    data: BTreeMap<u32, Zeroizing<[u8; 32]>>,
}

impl Secrets {
    /// For an account that has none yet.
    pub(super) fn generate() -> Result<Self, StorageError> {
        let names = random_key()?;
        let data = BTreeMap::from([(1, random_key()?)]);
        Ok(Self { names, data })
    }

    /// Adds a data key, which is used from now on; the older ones are kept for what they have sealed.
    pub(super) fn add_data_key(&mut self) -> Result<(), StorageError> {
        let last = self.data.last_key_value().map_or(0, |(number, _)| *number);
        match last.checked_add(1) {
            Some(number) if self.data.len() < MAX_DATA_KEYS => {
                self.data.insert(number, random_key()?);
                Ok(())
            }
            _ => Err(StorageError::new(
                ErrorKind::TooLarge,
                "the account has as many data keys as it may have",
            )),
        }
    }

    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Self { names, data } = self;
        let mut bytes = Zeroizing::new(Vec::with_capacity(32 + data.len() * NUMBERED));
        bytes.extend_from_slice(&**names);
        for (number, key) in data {
            bytes.extend_from_slice(&number.to_be_bytes());
            bytes.extend_from_slice(&**key);
        }
        bytes
    }

    /// `None` if it is not what [`encode`](Self::encode) makes.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (names, rest) = bytes.split_first_chunk::<32>()?;
        let (numbered, nothing) = rest.as_chunks::<NUMBERED>();
        if numbered.is_empty() || !nothing.is_empty() {
            return None;
        }
        let mut data = BTreeMap::new();
        for entry in numbered {
            let (number, key) = entry.split_first_chunk::<4>()?;
            let key = Zeroizing::new(<[u8; 32]>::try_from(key).ok()?);
            data.insert(u32::from_be_bytes(*number), key);
        }
        Some(Self {
            names: Zeroizing::new(*names),
            data,
        })
    }
}

/// The keys of an account, ready to be used.
pub(super) struct AccountKeys {
    /// That of the key record; `None` if there is none, and these are keys drawn at random for an account that has nothing.
    revision: Option<Revision>,
    names: Names,
    data: BTreeMap<u32, Prf>,
}

impl AccountKeys {
    pub(super) fn new(revision: Option<Revision>, secrets: &Secrets) -> Self {
        let data = secrets.data.iter();
        Self {
            revision,
            names: Names::new(&secrets.names),
            data: data.map(|(number, key)| (*number, Prf::new(key))).collect(),
        }
    }

    pub(super) fn revision(&self) -> Option<Revision> {
        self.revision
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// The number of the data key in use, and what it seals with in a commit.
    pub(super) fn sealing(&self, commit: &Revision) -> Option<(u32, Cipher)> {
        let (number, key) = self.data.last_key_value()?;
        Some((*number, commit_cipher(key, commit)))
    }

    /// What a data key has sealed with in a commit; `None` if there is no such data key.
    pub(super) fn opening(&self, number: u32, commit: &Revision) -> Option<Cipher> {
        self.data.get(&number).map(|key| commit_cipher(key, commit))
    }
}

fn commit_cipher(key: &Prf, commit: &Revision) -> Cipher {
    Cipher::new(&key.of(&[b"commit", commit.as_bytes()]))
}

/// Where an account's keys lie. No hashed name looks like this.
pub(super) fn key_record() -> Result<Key, StorageError> {
    Key::new("omemo-sealed", "key")
        .map_err(|invalid| StorageError::new(ErrorKind::Corrupt, "no name").with_source(invalid))
}
