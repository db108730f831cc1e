//! A sealed value: format 1, the number of the data key, a nonce, then, encrypted, the names and the value, and a tag.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Ordering;

use zeroize::Zeroizing;

use crate::{AccountId, Key, MAX_NAME, Name, Record, Revision, StorageError, Value, WRAPPER_BYTES};

use super::cipher::{Cipher, NONCE, TAG};
use super::error::{damaged, damaged_record, newer_version};
use super::keys::AccountKeys;
use super::names::HashedPartition;
use super::place::Place;

const FORMAT: u8 = 1;

/// Format and number of the data key.
const HEADER: usize = 1 + 4;

/// What stands before the encrypted bytes.
const FRONT: usize = HEADER + NONCE;

/// What sealing adds to a value at most: two names with their lengths, and what is around the encrypted bytes.
const OVERHEAD: usize = FRONT + 2 * (2 + MAX_NAME) + TAG;

const _: () = assert!(OVERHEAD <= WRAPPER_BYTES, "a wrapper may add no more");

/// Seals the values of one commit.
pub(super) struct Sealer<'a> {
    revision: Revision,
    header: [u8; HEADER],
    cipher: Cipher,
    place: Place<'a>,
}

impl<'a> Sealer<'a> {
    pub(super) fn new(
        keys: &AccountKeys,
        account: &'a AccountId,
        revision: Revision,
    ) -> Result<Self, StorageError> {
        let (number, cipher) = keys
            .sealing(&revision)
            .ok_or_else(|| damaged("the key record of the account"))?;
        let mut header = [FORMAT; HEADER];
        if let Some(place) = header.last_chunk_mut() {
            *place = number.to_be_bytes();
        }
        Ok(Self {
            revision,
            header,
            cipher,
            place: Place::new(account),
        })
    }

    /// Seals the value of `key`, which in the storage is called `hashed`.
    pub(super) fn seal(
        &mut self,
        key: &Key,
        hashed: &Key,
        value: &Value,
        nonce: &[u8; NONCE],
    ) -> Result<Value, StorageError> {
        let names = [key.partition.as_str(), key.item.as_str()];
        let length = FRONT + names.map(|name| 2 + name.len()).iter().sum::<usize>() + value.len() + TAG;
        // Never grown, so no copy of the plaintext is left behind.
        let mut sealed = Zeroizing::new(Vec::with_capacity(length));
        sealed.extend_from_slice(&self.header);
        sealed.extend_from_slice(nonce);
        for name in names {
            let length = u16::try_from(name.len()).map_err(|_| damaged("a name"))?;
            sealed.extend_from_slice(&length.to_be_bytes());
            sealed.extend_from_slice(name.as_bytes());
        }
        sealed.extend_from_slice(value.as_bytes());

        let place = self.place.of(&self.header, hashed, &self.revision);
        let tag = match sealed.get_mut(FRONT..) {
            Some(secret) => self.cipher.seal(nonce, place, secret),
            None => return Err(damaged_record(hashed)),
        };
        let tag = tag.map_err(|cause| damaged_record(hashed).with_source(cause))?;
        sealed.extend_from_slice(&tag);
        Ok(Value::from(sealed))
    }
}

/// How many ciphers are kept while a snapshot is opened. Records of one commit share one.
const CIPHERS: usize = 64;

/// Which cipher: that of a data key's number and a commit.
type CipherId = (u32, Revision);

/// Opens the values of one snapshot.
pub(super) struct Opener<'a> {
    keys: &'a AccountKeys,
    place: Place<'a>,
    ciphers: BTreeMap<CipherId, Cipher>,
    /// Partitions that may come, in the order of their hashed names.
    expected: &'a [Expected],
}

/// A partition that was asked for whole.
pub(super) struct Expected {
    pub(super) hashed: HashedPartition,
    pub(super) name: Name,
    /// Its place in the order of the names.
    pub(super) rank: usize,
}

/// A record that was opened.
pub(super) struct OpenedRecord {
    pub(super) key: Key,
    pub(super) record: Record,
    /// That of its partition, if that was asked for whole.
    rank: Option<usize>,
}

impl OpenedRecord {
    /// In the order of the names.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self.rank, other.rank) {
            (Some(rank), Some(others)) if rank != others => rank.cmp(&others),
            _ => self.key.cmp(&other.key),
        }
    }
}

impl<'a> Opener<'a> {
    pub(super) fn new(keys: &'a AccountKeys, account: &'a AccountId, expected: &'a [Expected]) -> Self {
        Self {
            keys,
            place: Place::new(account),
            ciphers: BTreeMap::new(),
            expected,
        }
    }

    /// Opens the record that in the storage is called `hashed`; `last` is the one before, with which it often shares a name.
    pub(super) fn open(
        &mut self,
        hashed: &Key,
        record: Record,
        last: Option<&Key>,
    ) -> Result<OpenedRecord, StorageError> {
        let revision = record.revision;
        let mut bytes = record.value.into_bytes();
        self.decrypt(hashed, &revision, &mut bytes)?;
        let Named { key, rank, from } = self
            .names(hashed, &bytes, last)
            .ok_or_else(|| damaged_record(hashed))?;
        let end = bytes.len().saturating_sub(TAG);
        bytes.truncate(end);
        bytes.drain(..from);
        let value = Value::from(bytes);
        let record = Record { revision, value };
        Ok(OpenedRecord { key, record, rank })
    }

    fn decrypt(&mut self, hashed: &Key, revision: &Revision, bytes: &mut [u8]) -> Result<(), StorageError> {
        match bytes.first() {
            Some(&FORMAT) => {}
            Some(newer @ FORMAT..) => return Err(newer_version(&hashed.item, *newer)),
            _ => return Err(damaged_record(hashed)),
        }
        let Parts {
            header,
            number,
            nonce,
            secret,
            tag,
        } = Parts::of(bytes).ok_or_else(|| damaged_record(hashed))?;
        let place = self.place.of(&header, hashed, revision);
        let cipher =
            cipher(&mut self.ciphers, self.keys, number, revision).ok_or_else(|| damaged_record(hashed))?;
        cipher
            .open(&nonce, place, secret, &tag)
            .map_err(|cause| damaged_record(hashed).with_source(cause))
    }

    /// The names within decrypted bytes, and what follows.
    fn names(&mut self, hashed: &Key, bytes: &[u8], last: Option<&Key>) -> Option<Named> {
        let rest = bytes.get(FRONT..bytes.len().checked_sub(TAG)?)?;
        let (partition, rest) = text(rest)?;
        let (item, value) = text(rest)?;
        while let Some((passed, rest)) = self.expected.split_first()
            && passed.hashed.name < hashed.partition
        {
            self.expected = rest;
        }
        let next = self.expected.first();
        let last_item = last.map(|key| &key.item);
        let key = Key {
            partition: name(
                partition,
                [next.map(|next| &next.name), last.map(|key| &key.partition)],
            )?,
            item: name(item, [last_item])?,
        };
        let rank = next
            .filter(|next| next.name == key.partition)
            .map(|next| next.rank);
        let from = bytes.len() - TAG - value.len();
        Some(Named { key, rank, from })
    }
}

/// The names of a record that was decrypted.
struct Named {
    key: Key,
    /// As that of [`OpenedRecord`].
    rank: Option<usize>,
    /// Where its value begins.
    from: usize,
}

/// One of the names that are there, if it is one of them: it takes no memory then, and is found equal at once.
fn name<const N: usize>(text: &[u8], there: [Option<&Name>; N]) -> Option<Name> {
    let mut there = there.into_iter().flatten();
    match there.find(|name| name.as_str().as_bytes() == text) {
        Some(name) => Some(name.clone()),
        None => Name::new(core::str::from_utf8(text).ok()?).ok(),
    }
}

/// What a sealed value is made of.
struct Parts<'a> {
    header: [u8; HEADER],
    number: u32,
    nonce: [u8; NONCE],
    secret: &'a mut [u8],
    tag: [u8; TAG],
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a mut [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk_mut::<HEADER>()?;
        let (nonce, rest) = rest.split_first_chunk_mut::<NONCE>()?;
        let (secret, tag) = rest.split_last_chunk_mut::<TAG>()?;
        Some(Self {
            header: *header,
            number: u32::from_be_bytes(*header.last_chunk()?),
            nonce: *nonce,
            secret,
            tag: *tag,
        })
    }
}

fn cipher<'a>(
    ciphers: &'a mut BTreeMap<(u32, Revision), Cipher>,
    keys: &AccountKeys,
    number: u32,
    revision: &Revision,
) -> Option<&'a Cipher> {
    let id = (number, *revision);
    if !ciphers.contains_key(&id) {
        if ciphers.len() >= CIPHERS {
            ciphers.clear();
        }
        ciphers.insert(id, keys.opening(number, revision)?);
    }
    ciphers.get(&id)
}

/// A text with its length before it, and what follows.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
