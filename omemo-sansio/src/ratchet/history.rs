//! Which receiving chains there were before the current one.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::RecordError;
use crate::keys::PublicKey;
use crate::records::codec::{Reader, Writer};

/// How many chains are remembered.
const REMEMBERED: usize = 8;

/// Which chain: a short hash of its ratchet key. Whoever makes two of his ratchet keys collide makes only his own messages
/// unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChainId([u8; 8]);

impl ChainId {
    pub(super) fn of(ratchet_key: &PublicKey) -> Self {
        let digest: [u8; 32] = Sha256::digest(ratchet_key.as_bytes()).into();
        let mut short = [0; 8];
        short.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(short)
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.0);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        reader.array().map(Self)
    }
}

/// The last chains that were received on, newest first: enough to tell a message that repeats from one that begins a new
/// chain.
#[derive(Debug, Default)]
pub(super) struct History(Vec<ChainId>);

impl History {
    pub(super) fn contains(&self, chain: ChainId) -> bool {
        self.0.contains(&chain)
    }

    /// The chain before the current one.
    pub(super) fn newest(&self) -> Option<ChainId> {
        self.0.first().copied()
    }

    /// Remembers a chain that has just ended.
    pub(super) fn push(&mut self, chain: ChainId) {
        self.0.truncate(REMEMBERED - 1);
        self.0.insert(0, chain);
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        let Self(chains) = self;
        writer.u8(u8::try_from(chains.len()).unwrap_or(u8::MAX));
        chains.iter().for_each(|chain| chain.encode(writer));
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        let count = usize::from(reader.u8()?);
        if count > REMEMBERED {
            return Err(RecordError::Invalid("number of past chains"));
        }
        (0..count)
            .map(|_| ChainId::decode(reader))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}
