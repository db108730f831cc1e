//! Message keys that were skipped: of messages that may still come.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::message_key::MessageKey;
use crate::RecordError;
use crate::keys::PublicKey;
use crate::records::codec::{Reader, Writer};

const VERSION: u8 = 1;

/// The skipped message keys of a session (Double Ratchet, section 3.1, `MKSKIPPED`). They are a record of their own,
/// apart from the session, which is written with each message and has to stay small.
#[derive(Default)]
pub struct SkippedKeys {
    /// Oldest first, and so are the keys of each: the first key of the first chain goes first.
    chains: VecDeque<SkippedChain>,
    len: usize,
}

struct SkippedChain {
    ratchet_key: PublicKey,
    keys: VecDeque<SkippedKey>,
}

pub(super) struct SkippedKey {
    pub(super) n: u32,
    pub(super) key: MessageKey,
}

/// Where a key lies, until the keys change.
#[derive(Clone, Copy)]
pub(super) struct Position {
    chain: usize,
    key: usize,
}

impl SkippedKeys {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many there are, as the session's record counts them.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.len).unwrap_or(u32::MAX)
    }

    pub(super) fn find(&self, ratchet_key: &PublicKey, n: u32) -> Option<(Position, &MessageKey)> {
        self.chains
            .iter()
            .enumerate()
            .filter(|(_, chain)| chain.ratchet_key == *ratchet_key)
            .find_map(|(index, chain)| {
                let key = chain.keys.binary_search_by_key(&n, |key| key.n).ok()?;
                let position = Position { chain: index, key };
                Some((position, &chain.keys.get(key)?.key))
            })
    }

    pub(super) fn remove(&mut self, position: Position) {
        let Some(chain) = self.chains.get_mut(position.chain) else {
            return;
        };
        if chain.keys.remove(position.key).is_some() {
            self.len -= 1;
        }
        if chain.keys.is_empty() {
            self.chains.remove(position.chain);
        }
    }

    /// Adds keys of the newest chain, in ascending order, and drops the oldest beyond `limit`.
    pub(super) fn add(&mut self, ratchet_key: &PublicKey, keys: Vec<SkippedKey>, limit: u32) {
        let Some(first) = keys.first() else { return };
        self.len += keys.len();
        match self.chains.back_mut() {
            Some(chain)
                if chain.ratchet_key == *ratchet_key
                    && chain.keys.back().is_some_and(|last| last.n < first.n) =>
            {
                chain.keys.extend(keys);
            }
            _ => self.chains.push_back(SkippedChain {
                ratchet_key: *ratchet_key,
                keys: keys.into(),
            }),
        }
        self.evict(usize::try_from(limit).unwrap_or(usize::MAX));
    }

    fn evict(&mut self, limit: usize) {
        while self.len > limit {
            let excess = self.len - limit;
            let Some(oldest) = self.chains.front_mut() else {
                return;
            };
            if oldest.keys.len() <= excess {
                self.len -= oldest.keys.len();
                self.chains.pop_front();
            } else {
                self.len -= oldest.keys.drain(..excess).count();
            }
        }
    }

    /// Every key, oldest first.
    #[cfg(any(test, feature = "hazmat"))]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&PublicKey, &SkippedKey)> {
        self.chains
            .iter()
            .flat_map(|chain| chain.keys.iter().map(|key| (&chain.ratchet_key, key)))
    }

    /// The record's bytes: a version, the number of chains, and for each its ratchet key, the number of its keys, and
    /// these with their numbers.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Self { chains, len } = self;
        let mut writer = Writer::new(VERSION, 5 + 36 * chains.len() + 36 * len);
        writer.length(chains.len());
        for SkippedChain { ratchet_key, keys } in chains {
            writer.bytes(ratchet_key.as_bytes());
            writer.length(keys.len());
            for SkippedKey { n, key } in keys {
                writer.u32(*n);
                key.encode(&mut writer);
            }
        }
        writer.finish()
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if the bytes are not such a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes, VERSION)?;
        let mut skipped = Self::default();
        for _ in 0..reader.length()? {
            let chain = SkippedChain::decode(&mut reader)?;
            skipped.len += chain.keys.len();
            skipped.chains.push_back(chain);
        }
        reader.finish()?;
        Ok(skipped)
    }
}

impl SkippedChain {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        let ratchet_key = PublicKey::from_bytes(reader.array()?);
        let mut keys = VecDeque::<SkippedKey>::new();
        for _ in 0..reader.length()? {
            let n = reader.u32()?;
            if keys.back().is_some_and(|last| last.n >= n) {
                return Err(RecordError::Invalid("order of skipped keys"));
            }
            let key = MessageKey::decode(reader)?;
            keys.push_back(SkippedKey { n, key });
        }
        if keys.is_empty() {
            return Err(RecordError::Invalid("number of skipped keys"));
        }
        Ok(Self { ratchet_key, keys })
    }
}

impl fmt::Debug for SkippedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chains: _, len } = self;
        write!(f, "SkippedKeys({len})")
    }
}
