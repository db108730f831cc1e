//! The session's record.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::chain::Chain;
use super::history::{ChainId, History};
use super::message_key::MessageKey;
use super::root_key::RootKey;
use super::session::{Origin, PastEnd, Session};
use crate::keys::{IdentityKey, KeyPair, PublicKey};
use crate::protocol::{AssociatedData, Role};
use crate::records::codec::{Reader, Writer};
use crate::{PreKeyId, RecordError};

/// 2: which chain the key past an end is of, and whether the other side counts its chains too short.
const VERSION: u8 = 2;

/// The most bytes a record has: 499. Every field has a fixed length or a bound.
const CAPACITY: usize = 512;

/// What a record begins with, as far as encrypting needs it: all that comes before the sending chain but the secrets.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) origin: Origin,
    pub(super) confirmed: bool,
    pub(super) ratchet_key: PublicKey,
}

impl Head {
    /// Reads it; the reader is left where the sending chain begins.
    pub(super) fn read(bytes: &[u8]) -> Result<(Reader<'_>, Self), RecordError> {
        let (mut reader, _) = Reader::any_version(bytes, VERSION)?;
        let origin = Origin::decode(&mut reader)?;
        let confirmed = reader.flag()?;
        RootKey::skip(&mut reader)?;
        let ratchet_key = KeyPair::decode_public(&mut reader)?;
        let head = Self {
            origin,
            confirmed,
            ratchet_key,
        };
        Ok((reader, head))
    }
}

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
            counts_short,
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
        writer.flag(*counts_short);
        writer.u32(*skipped);
        writer.finish()
    }

    /// Reads a record. Nothing is computed.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if the bytes are not such a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, version) = Reader::any_version(bytes, VERSION)?;
        let origin = Origin::decode(&mut reader)?;
        let confirmed = reader.flag()?;
        let root_key = RootKey::decode(&mut reader)?;
        let own_ratchet = KeyPair::decode(&mut reader)?;
        let sending = Chain::decode(&mut reader)?;
        let previous_sending = reader.u32()?;
        let peer_ratchet = PublicKey::from_bytes(reader.array()?);
        let receiving = optional(&mut reader, Chain::decode)?;
        let history = History::decode(&mut reader)?;
        let past_end = optional(&mut reader, |reader| PastEnd::decode(reader, version, &history))?;
        let counts_short = version > 1 && reader.flag()?;
        let skipped = reader.u32()?;
        reader.finish()?;
        Ok(Self {
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
            counts_short,
            skipped,
        })
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
        let Self { chain, n, key } = self;
        chain.encode(writer);
        writer.u32(*n);
        key.encode(writer);
    }

    fn decode(reader: &mut Reader<'_>, version: u8, history: &History) -> Result<Self, RecordError> {
        let chain = if version > 1 {
            ChainId::decode(reader)?
        } else {
            // It was always of the chain before the current one.
            history.newest().ok_or(RecordError::Invalid("past end"))?
        };
        Ok(Self {
            chain,
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
