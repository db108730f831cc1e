//! The only backup that is safe: who the device is and whom it trusts, without sessions.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::keys::{IdentityKeyPair, PublicKey};
use crate::records::RecordError;
use crate::records::codec::{Reader, Writer};
use crate::trust::TrustLevel;
use crate::{BareJid, DeviceId};

const VERSION: u8 = 1;

/// The identity and the trust decisions of an account. Sessions and pre keys are left out on purpose: put back later, they
/// would use message keys twice.
///
/// Its bytes hold the private identity key: they have to be kept as secret as the storage itself.
#[derive(Debug)]
pub struct Backup {
    pub(crate) jid: BareJid,
    pub(crate) identity: IdentityKeyPair,
    pub(crate) device: DeviceId,
    pub(crate) label: Option<String>,
    pub(crate) trust: BTreeMap<BareJid, BTreeMap<PublicKey, TrustLevel>>,
}

impl Backup {
    /// The account it was made of.
    pub fn jid(&self) -> &BareJid {
        &self.jid
    }

    /// The id of the device it was made of. A restored account is a new device, with another id.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The trust level of each identity key, by its Curve25519 form, for each account.
    pub fn trust(&self) -> &BTreeMap<BareJid, BTreeMap<PublicKey, TrustLevel>> {
        &self.trust
    }

    /// Its bytes: `omemo-backup`, a version byte, the body.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Self {
            jid,
            identity,
            device,
            label,
            trust,
        } = self;
        let keys: usize = trust.values().map(BTreeMap::len).sum();
        let mut writer = Writer::new(VERSION, 256 + trust.len() * 64 + keys * 64);
        writer.text(jid.as_str());
        identity.encode(&mut writer);
        writer.u32(device.get());
        writer.flag(label.is_some());
        if let Some(label) = label {
            writer.text(label);
        }
        writer.length(trust.len());
        for (jid, levels) in trust {
            writer.text(jid.as_str());
            writer.length(levels.len());
            for (key, level) in levels {
                writer.bytes(key.as_bytes());
                writer.text(level.as_str());
            }
        }
        let body = writer.finish();
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAGIC.len().saturating_add(body.len())));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    ///
    /// [`BackupError`] if the bytes are no backup, or one of a version that is not known here.
    pub fn decode(bytes: &[u8]) -> Result<Self, BackupError> {
        let body = bytes.strip_prefix(MAGIC).ok_or(BackupError::NotABackup)?;
        let mut reader = Reader::new(body, VERSION)?;
        let jid = jid(&mut reader)?;
        let identity = IdentityKeyPair::decode(&mut reader)?;
        let device = DeviceId::new(reader.u32()?);
        let label = if reader.flag()? {
            Some(reader.text()?.into())
        } else {
            None
        };
        let mut trust = BTreeMap::new();
        for _ in 0..reader.length()? {
            let jid = self::jid(&mut reader)?;
            let mut levels = BTreeMap::new();
            for _ in 0..reader.length()? {
                let key = PublicKey::from_bytes(reader.array()?);
                levels.insert(key, reader.trust_level()?);
            }
            trust.insert(jid, levels);
        }
        reader.finish()?;
        Ok(Self {
            jid,
            identity,
            device,
            label,
            trust,
        })
    }
}

/// What a backup begins with.
const MAGIC: &[u8] = b"omemo-backup";

fn jid(reader: &mut Reader<'_>) -> Result<BareJid, RecordError> {
    BareJid::new(reader.text()?).map_err(|_| RecordError::Invalid("JID"))
}

/// Why bytes cannot be read as a backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// They do not begin like one.
    #[error("this is not a backup of an account")]
    NotABackup,
    /// The body is damaged, or of an unknown version.
    #[error("the backup cannot be read: {0}")]
    Damaged(#[from] RecordError),
}
