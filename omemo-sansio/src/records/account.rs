//! `own/account`: the identity of this device.

use alloc::string::String;

use omemo_storage::Value;

use super::codec::{Reader, Writer};
use super::{RecordError, Stored};
use crate::DeviceId;
use crate::keys::IdentityKeyPair;

/// 2: whether a copy is being accepted.
const VERSION: u8 = 2;

/// Who this device is. Written at the first opening, rarely after.
#[derive(Debug)]
pub(crate) struct AccountRecord {
    pub(crate) identity: IdentityKeyPair,
    pub(crate) device: DeviceId,
    pub(crate) label: Option<String>,
    /// An older copy of the storage was put back, and not all of its sessions are gone yet.
    pub(crate) accepting_copy: bool,
}

impl Stored for AccountRecord {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, version) = Reader::any_version(bytes, VERSION)?;
        let identity = IdentityKeyPair::decode(&mut reader)?;
        let device = DeviceId::new(reader.u32()?);
        let label = if reader.flag()? {
            Some(reader.text()?.into())
        } else {
            None
        };
        let accepting_copy = version >= 2 && reader.flag()?;
        reader.finish()?;
        Ok(Self {
            identity,
            device,
            label,
            accepting_copy,
        })
    }

    fn encode(&self) -> Value {
        let Self {
            identity,
            device,
            label,
            accepting_copy,
        } = self;
        let mut writer = Writer::new(VERSION, 512);
        identity.encode(&mut writer);
        writer.u32(device.get());
        writer.flag(label.is_some());
        if let Some(label) = label {
            writer.text(label);
        }
        writer.flag(*accepting_copy);
        writer.finish().into()
    }
}
