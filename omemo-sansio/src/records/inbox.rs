//! `inbox/..`: plaintexts that the application has not acknowledged yet, if it asked for that.

use alloc::vec::Vec;
use core::fmt;

use omemo_storage::Value;
use zeroize::Zeroizing;

use super::codec::{Reader, Writer};
use super::{RecordError, Stored};
use crate::keys::{IdentityKey, PublicKey};
use crate::{BareJid, DeviceId, Namespace, Timestamp};

const VERSION: u8 = 1;

/// `inbox/index`: how much is kept. What is bounded by it must be decided by a named record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InboxIndex {
    /// The number that the next message gets: they are handed out in the order they were decrypted in.
    pub(crate) next: u64,
    pub(crate) messages: u32,
    /// The bytes of their plaintexts.
    pub(crate) bytes: u64,
}

/// `inbox/message/<id>`: a message that was decrypted.
pub(crate) struct InboxMessage {
    pub(crate) number: u64,
    pub(crate) decrypted: Timestamp,
    pub(crate) sender: BareJid,
    pub(crate) device: DeviceId,
    pub(crate) identity_key: IdentityKey,
    pub(crate) namespace: Namespace,
    pub(crate) new_session: bool,
    /// The key material, and how many of its bytes are the key.
    pub(crate) key_material: Zeroizing<Vec<u8>>,
    pub(crate) key_length: usize,
    /// `None`: the message transports its key alone.
    pub(crate) plaintext: Option<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for InboxMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            number,
            decrypted: _,
            sender: _,
            device,
            identity_key: _,
            namespace: _,
            new_session: _,
            key_material: _,
            key_length: _,
            plaintext,
        } = self;
        let length = plaintext.as_ref().map(|plaintext| plaintext.len());
        write!(f, "InboxMessage({number}, from {device}, {length:?} bytes)")
    }
}

impl Stored for InboxIndex {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes, VERSION)?;
        let index = Self {
            next: reader.u64()?,
            messages: reader.u32()?,
            bytes: reader.u64()?,
        };
        reader.finish()?;
        Ok(index)
    }

    fn encode(&self) -> Value {
        let Self {
            next,
            messages,
            bytes,
        } = self;
        let mut writer = Writer::new(VERSION, 32);
        writer.u64(*next);
        writer.u32(*messages);
        writer.u64(*bytes);
        writer.finish().into()
    }
}

impl Stored for InboxMessage {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes, VERSION)?;
        let number = reader.u64()?;
        let decrypted = reader.timestamp()?;
        let sender = BareJid::new(reader.text()?).map_err(|_| RecordError::Invalid("sender"))?;
        let device = DeviceId::new(reader.u32()?);
        let ed25519 = reader.array()?;
        let curve25519 = PublicKey::from_bytes(reader.array()?);
        let namespace = reader.namespace()?;
        let new_session = reader.flag()?;
        let key_length = usize::from(reader.u8()?);
        let length = reader.length()?;
        let key_material = Zeroizing::new(reader.take(length)?.to_vec());
        let plaintext = if reader.flag()? {
            let length = reader.length()?;
            Some(Zeroizing::new(reader.take(length)?.to_vec()))
        } else {
            None
        };
        reader.finish()?;
        Ok(Self {
            number,
            decrypted,
            sender,
            device,
            identity_key: IdentityKey::from_parts(ed25519, curve25519),
            namespace,
            new_session,
            key_material,
            key_length,
            plaintext,
        })
    }

    fn encode(&self) -> Value {
        let Self {
            number,
            decrypted,
            sender,
            device,
            identity_key,
            namespace,
            new_session,
            key_material,
            key_length,
            plaintext,
        } = self;
        let length = plaintext.as_ref().map_or(0, |plaintext| plaintext.len());
        let names = sender.as_str().len().saturating_add(namespace.as_str().len());
        let mut writer = Writer::new(VERSION, length.saturating_add(names).saturating_add(256));
        writer.u64(*number);
        writer.timestamp(*decrypted);
        writer.text(sender.as_str());
        writer.u32(device.get());
        writer.bytes(identity_key.ed25519());
        writer.bytes(identity_key.curve25519().as_bytes());
        writer.text(namespace.as_str());
        writer.flag(*new_session);
        writer.u8(u8::try_from(*key_length).unwrap_or(u8::MAX));
        writer.length(key_material.len());
        writer.bytes(key_material);
        writer.flag(plaintext.is_some());
        if let Some(plaintext) = plaintext {
            writer.length(plaintext.len());
            writer.bytes(plaintext);
        }
        writer.finish().into()
    }
}
