//! The session's record.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::chain::Chain;
use super::history::History;
use super::message_key::MessageKey;
use super::root_key::RootKey;
use super::session::{Origin, PastEnd, Session};
use crate::keys::{IdentityKey, KeyPair, PublicKey};
use crate::protocol::{AssociatedData, Role};
use crate::records::codec::{Reader, Writer};
use crate::{PreKeyId, RecordError};

const VERSION: u8 = 1;

/// The most bytes a record has: 490. Every field has a fixed length or a bound.
const CAPACITY: usize = 512;

impl Session {
    /// The record's bytes, at most 512.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Self {
            origin,
            confirmed,
            root_key,
            own_ratchet,
            sending,
            previous_sending,
            peer_ratchet,
            receiving,
            history,
            past_end,
            skipped,
        } = self;
        let mut writer = Writer::new(VERSION, CAPACITY);
        origin.encode(&mut writer);
        writer.flag(*confirmed);
        root_key.encode(&mut writer);
        own_ratchet.encode(&mut writer);
        sending.encode(&mut writer);
        writer.u32(*previous_sending);
        writer.bytes(peer_ratchet.as_bytes());
        writer.flag(receiving.is_some());
        if let Some(receiving) = receiving {
            receiving.encode(&mut writer);
        }
        history.encode(&mut writer);
        writer.flag(past_end.is_some());
        if let Some(past_end) = past_end {
            past_end.encode(&mut writer);
        }
        writer.u32(*skipped);
        writer.finish()
    }

    /// Reads a record. Nothing is computed.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if the bytes are not such a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes, VERSION)?;
        let session = Self {
            origin: Origin::decode(&mut reader)?,
            confirmed: reader.flag()?,
            root_key: RootKey::decode(&mut reader)?,
            own_ratchet: KeyPair::decode(&mut reader)?,
            sending: Chain::decode(&mut reader)?,
            previous_sending: reader.u32()?,
            peer_ratchet: PublicKey::from_bytes(reader.array()?),
            receiving: optional(&mut reader, Chain::decode)?,
            history: History::decode(&mut reader)?,
            past_end: optional(&mut reader, PastEnd::decode)?,
            skipped: reader.u32()?,
        };
        reader.finish()?;
        Ok(session)
    }
}

impl Origin {
    fn encode(&self, writer: &mut Writer) {
        let Self {
            created,
            role,
            peer,
            associated_data: AssociatedData { initiator, responder },
            pre_key,
            signed_pre_key,
            base_key,
        } = self;
        writer.timestamp(*created);
        writer.flag(*role == Role::Initiator);
        writer.bytes(peer.ed25519());
        writer.bytes(peer.curve25519().as_bytes());
        writer.bytes(initiator);
        writer.bytes(responder);
        writer.u32(pre_key.get());
        writer.u32(signed_pre_key.get());
        writer.bytes(base_key.as_bytes());
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            created: reader.timestamp()?,
            role: if reader.flag()? {
                Role::Initiator
            } else {
                Role::Responder
            },
            peer: IdentityKey::from_parts(reader.array()?, PublicKey::from_bytes(reader.array()?)),
            associated_data: AssociatedData {
                initiator: reader.array()?,
                responder: reader.array()?,
            },
            pre_key: PreKeyId::new(reader.u32()?),
            signed_pre_key: PreKeyId::new(reader.u32()?),
            base_key: PublicKey::from_bytes(reader.array()?),
        })
    }
}

impl PastEnd {
    fn encode(&self, writer: &mut Writer) {
        let Self { n, key } = self;
        writer.u32(*n);
        key.encode(writer);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            n: reader.u32()?,
            key: MessageKey::decode(reader)?,
        })
    }
}

fn optional<T>(
    reader: &mut Reader<'_>,
    decode: impl FnOnce(&mut Reader<'_>) -> Result<T, RecordError>,
) -> Result<Option<T>, RecordError> {
    reader.flag()?.then(|| decode(reader)).transpose()
}
