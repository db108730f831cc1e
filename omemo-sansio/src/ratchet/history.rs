//! Which receiving chains there were before the current one.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::RecordError;
use crate::keys::PublicKey;
use crate::records::codec::{Reader, Writer};

/// How many chains are remembered.
const REMEMBERED: usize = 8;

/// Short hashes of the last ratchet keys that were received on, newest first: enough to tell a message that repeats from
/// one that begins a new chain. Whoever makes two of his ratchet keys collide makes only his own messages unreadable.
#[derive(Debug, Default)]
pub(super) struct History(Vec<[u8; 8]>);

impl History {
    /// How many chains ago the ratchet key was in use, if it is remembered: 0 is the chain before the current one.
    pub(super) fn age(&self, ratchet_key: &PublicKey) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        let sought = hash(ratchet_key);
        self.0.iter().position(|hash| *hash == sought)
    }

    /// Remembers a ratchet key whose chain has just ended.
    pub(super) fn push(&mut self, ratchet_key: &PublicKey) {
        self.0.truncate(REMEMBERED - 1);
        self.0.insert(0, hash(ratchet_key));
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        let Self(hashes) = self;
        writer.u8(u8::try_from(hashes.len()).unwrap_or(u8::MAX));
        hashes.iter().for_each(|hash| writer.bytes(hash));
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        let count = usize::from(reader.u8()?);
        if count > REMEMBERED {
            return Err(RecordError::Invalid("number of past chains"));
        }
        (0..count)
            .map(|_| reader.array())
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn hash(ratchet_key: &PublicKey) -> [u8; 8] {
    let digest: [u8; 32] = Sha256::digest(ratchet_key.as_bytes()).into();
    let mut short = [0; 8];
    short.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    short
}
