//! `own/prekeys/<namespace>`: the pre keys of one protocol.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use omemo_storage::Value;

use super::codec::{Reader, Writer};
use super::{RecordError, Stored};
use crate::PreKeyId;
use crate::keys::{KeyPair, PublicKey};

/// 2: whether a hidden pre key is kept for good.
const VERSION: u8 = 2;

/// The private halves of pre keys.
#[derive(Debug, Default)]
pub(crate) struct PreKeys {
    /// Those in the published bundle.
    pub(crate) visible: BTreeMap<PreKeyId, KeyPair>,
    /// Those that were used and are kept: no longer published.
    pub(crate) hidden: BTreeMap<PreKeyId, HiddenPreKey>,
}

/// A used pre key that is kept for the rest of a catch-up, or for good.
#[derive(Debug)]
pub(crate) struct HiddenPreKey {
    pub(crate) pair: KeyPair,
    /// The key exchanges that used it, each by the hash of its base key and of who presented it: none of them may build a
    /// second session.
    pub(crate) key_exchanges: Vec<[u8; 32]>,
    /// Whether it outlives the catch-ups.
    pub(crate) kept: bool,
}

impl HiddenPreKey {
    /// Whether a key exchange has used it. Older versions kept base keys as they are.
    pub(crate) fn was_used_by(&self, key_exchange: &[u8; 32], base_key: &PublicKey) -> bool {
        let mut known = self.key_exchanges.iter();
        known.any(|known| known == key_exchange || known == base_key.as_bytes())
    }
}

impl PreKeys {
    /// How many bytes the record has with so many keys, and so many base keys of the hidden ones together.
    pub(crate) const fn bytes(visible: usize, hidden: usize, key_exchanges: usize) -> usize {
        const ID_AND_PAIR: usize = 4 + 64;
        const BESIDE: usize = 1 + 4 + 4;
        BESIDE + visible * ID_AND_PAIR + hidden * (ID_AND_PAIR + 4 + 1) + key_exchanges * 32
    }

    /// How many base keys of hidden ones there are.
    pub(crate) fn key_exchanges(&self) -> usize {
        self.hidden
            .values()
            .map(|hidden| hidden.key_exchanges.len())
            .sum()
    }

    /// No catch-up is open any more: deletes what was hidden for the rest of one.
    pub(crate) fn end_hiding(&mut self) {
        self.hidden.retain(|_, hidden| hidden.kept);
    }
}

impl Stored for PreKeys {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, version) = Reader::any_version(bytes, VERSION)?;
        let mut keys = Self::default();
        for _ in 0..reader.length()? {
            let id = PreKeyId::new(reader.u32()?);
            keys.visible.insert(id, KeyPair::decode(&mut reader)?);
        }
        for _ in 0..reader.length()? {
            let id = PreKeyId::new(reader.u32()?);
            let pair = KeyPair::decode(&mut reader)?;
            let mut key_exchanges = Vec::new();
            for _ in 0..reader.length()? {
                key_exchanges.push(reader.array()?);
            }
            let kept = version >= 2 && reader.flag()?;
            let hidden = HiddenPreKey {
                pair,
                key_exchanges,
                kept,
            };
            keys.hidden.insert(id, hidden);
        }
        reader.finish()?;
        Ok(keys)
    }

    fn encode(&self) -> Value {
        let Self { visible, hidden } = self;
        let capacity = Self::bytes(visible.len(), hidden.len(), self.key_exchanges());
        let mut writer = Writer::new(VERSION, capacity);
        writer.length(visible.len());
        for (id, pair) in visible {
            writer.u32(id.get());
            pair.encode(&mut writer);
        }
        writer.length(hidden.len());
        for (id, hidden) in hidden {
            let HiddenPreKey {
                pair,
                key_exchanges,
                kept,
            } = hidden;
            writer.u32(id.get());
            pair.encode(&mut writer);
            writer.length(key_exchanges.len());
            for key_exchange in key_exchanges {
                writer.bytes(key_exchange);
            }
            writer.flag(*kept);
        }
        writer.finish().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::testing::TestRng;

    #[test]
    fn key_exchanges_that_older_versions_have_noted_are_known() {
        let hidden = HiddenPreKey {
            pair: KeyPair::generate(&mut TestRng::new(1)),
            key_exchanges: [[1; 32], [2; 32]].into(),
            kept: true,
        };
        let known = |key_exchange, base_key| {
            hidden.was_used_by(&[key_exchange; 32], &PublicKey::from_bytes([base_key; 32]))
        };
        assert!(known(1, 9) && known(9, 2));
        assert!(!known(8, 9));
    }
}
