//! `inbox/..`: plaintexts that the application has not acknowledged yet, if it asked for that.

use alloc::vec::Vec;
use core::fmt;

use omemo_storage::Value;
use zeroize::Zeroizing;

use super::codec::{Reader, Writer};
use super::{RecordError, Stored};
use crate::keys::{IdentityKey, PublicKey};
use crate::protocol::KeyMaterial;
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
    pub(crate) key_material: KeyMaterial,
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
        let key_material = KeyMaterial::from_decrypted(key_material, key_length)
            .ok_or(RecordError::Invalid("length of a key"))?;
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
        writer.u8(u8::try_from(key_material.key().len()).unwrap_or(u8::MAX));
        writer.length(key_material.as_bytes().len());
        writer.bytes(key_material.as_bytes());
        writer.flag(plaintext.is_some());
        if let Some(plaintext) = plaintext {
            writer.length(plaintext.len());
            writer.bytes(plaintext);
        }
        writer.finish().into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden;
    use super::*;

    #[test]
    fn key_longer_than_its_material_is_refused() {
        let written = golden::inbox_message().encode().as_bytes().to_vec();
        let lengths = written.windows(5).position(|window| *window == [32, 0, 0, 0, 48]);
        for (length, readable) in [(0, true), (48, true), (49, false), (255, false)] {
            let mut bytes = written.clone();
            bytes[lengths.unwrap()] = length;
            let refused = InboxMessage::decode(&bytes).err();
            let expected = (!readable).then_some(RecordError::Invalid("length of a key"));
            assert_eq!(refused, expected, "{length}");
        }
    }
}
