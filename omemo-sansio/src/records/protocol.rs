//! `own/protocol/<namespace>`: the signed pre key of one protocol, and which ids come next.

use omemo_storage::Value;

use super::codec::{Reader, Writer};
use super::{RecordError, Stored};
use crate::keys::{KeyPair, Signature};
use crate::{PreKeyId, Timestamp};

const VERSION: u8 = 1;

/// What this device keeps for one protocol beside its pre keys.
#[derive(Debug)]
pub(crate) struct ProtocolRecord {
    pub(crate) signed_pre_key: SignedPreKey,
    /// The one before, kept for one more rotation period.
    pub(crate) retired: Option<RetiredSignedPreKey>,
    /// The id the next signed pre key gets. Ids are never used again.
    pub(crate) next_signed_pre_key: u32,
    /// The id the next pre key gets.
    pub(crate) next_pre_key: u32,
}

/// The signed pre key that is published.
#[derive(Debug)]
pub(crate) struct SignedPreKey {
    pub(crate) id: PreKeyId,
    pub(crate) pair: KeyPair,
    pub(crate) signature: Signature,
    pub(crate) created: Timestamp,
}

/// A signed pre key that was replaced, for key exchanges made before others saw the new one.
#[derive(Debug)]
pub(crate) struct RetiredSignedPreKey {
    pub(crate) id: PreKeyId,
    pub(crate) pair: KeyPair,
    pub(crate) expires: Timestamp,
}

impl ProtocolRecord {
    /// Counts the age of the signed pre key from `now` if a clock that was ahead by more than `period` has made it, or it
    /// would not be replaced until that time comes. To replace it at once would drop the one before, which is in use yet.
    pub(crate) fn correct_age(&mut self, now: Timestamp, period: u64) {
        let created = &mut self.signed_pre_key.created;
        if created.is_ahead(now, period) {
            *created = now;
        }
    }

    /// The private half that a key exchange names, if it is still kept.
    pub(crate) fn signed_pre_key(&self, id: PreKeyId) -> Option<&KeyPair> {
        if self.signed_pre_key.id == id {
            return Some(&self.signed_pre_key.pair);
        }
        self.retired
            .as_ref()
            .filter(|retired| retired.id == id)
            .map(|retired| &retired.pair)
    }
}

impl Stored for ProtocolRecord {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes, VERSION)?;
        let signed_pre_key = SignedPreKey {
            id: PreKeyId::new(reader.u32()?),
            pair: KeyPair::decode(&mut reader)?,
            signature: Signature::from_bytes(reader.array()?),
            created: reader.timestamp()?,
        };
        let retired = if reader.flag()? {
            Some(RetiredSignedPreKey {
                id: PreKeyId::new(reader.u32()?),
                pair: KeyPair::decode(&mut reader)?,
                expires: reader.timestamp()?,
            })
        } else {
            None
        };
        let next_signed_pre_key = reader.u32()?;
        let next_pre_key = reader.u32()?;
        reader.finish()?;
        Ok(Self {
            signed_pre_key,
            retired,
            next_signed_pre_key,
            next_pre_key,
        })
    }

    fn encode(&self) -> Value {
        let Self {
            signed_pre_key,
            retired,
            next_signed_pre_key,
            next_pre_key,
        } = self;
        let mut writer = Writer::new(VERSION, 512);
        writer.u32(signed_pre_key.id.get());
        signed_pre_key.pair.encode(&mut writer);
        writer.bytes(signed_pre_key.signature.as_bytes());
        writer.timestamp(signed_pre_key.created);
        writer.flag(retired.is_some());
        if let Some(retired) = retired {
            writer.u32(retired.id.get());
            retired.pair.encode(&mut writer);
            writer.timestamp(retired.expires);
        }
        writer.u32(*next_signed_pre_key);
        writer.u32(*next_pre_key);
        writer.finish().into()
    }
}
