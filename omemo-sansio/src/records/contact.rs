//! `contact/<jid>/contact`: the devices of an account, and which identity keys are trusted.

use alloc::collections::BTreeMap;

use omemo_storage::Value;

use super::codec::{Reader, Writer};
use super::{RecordError, Stored};
use crate::keys::{IdentityKey, PublicKey, Signature};
use crate::trust::TrustLevel;
use crate::{DeviceId, Label, Namespace, Timestamp};

const VERSION: u8 = 1;

/// What is known of an account, one's own included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) devices: BTreeMap<DeviceId, ContactDevice>,
    /// When the device list of a protocol was last downloaded because it was unknown or seemed old.
    pub(crate) refreshed: BTreeMap<Namespace, Timestamp>,
    /// The trust level of each identity key, by its Curve25519 form. Keys without one are undecided.
    pub(crate) trust: BTreeMap<PublicKey, TrustLevel>,
}

/// A device of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContactDevice {
    /// The protocols it was ever listed for, and whether it still is.
    pub(crate) protocols: BTreeMap<Namespace, bool>,
    /// Its identity key, once something that it authenticates was received.
    pub(crate) identity: Option<IdentityKey>,
    /// The label its account's device list claims for it.
    pub(crate) claimed_label: Option<Label>,
    /// Whether the identity key has signed the claimed label.
    pub(crate) label_verified: bool,
    /// When it was last sent a new session because it wrote in one that is not known here.
    pub(crate) repaired: Option<Timestamp>,
}

impl ContactDevice {
    pub(crate) fn is_active(&self, namespace: &Namespace) -> bool {
        self.protocols.get(namespace).copied().unwrap_or(false)
    }

    /// Records the identity key, after something that it authenticates was received.
    pub(crate) fn identify(&mut self, identity: IdentityKey) {
        self.identity = Some(identity);
        self.verify_label();
    }

    /// Takes over what a device list says the label is.
    pub(crate) fn claim_label(&mut self, label: Option<Label>) {
        if self.claimed_label != label {
            self.claimed_label = label;
            self.verify_label();
        }
    }

    fn verify_label(&mut self) {
        self.label_verified = match (&self.identity, &self.claimed_label) {
            (Some(identity), Some(label)) => identity.verify(label.text.as_bytes(), &label.signature).is_ok(),
            _ => false,
        };
    }

    /// The label, if its signature was found good.
    pub(crate) fn label(&self) -> Option<&str> {
        self.claimed_label
            .as_ref()
            .filter(|_| self.label_verified)
            .map(|label| label.text.as_str())
    }
}

impl Contact {
    pub(crate) fn device(&self, device: DeviceId) -> Option<&ContactDevice> {
        self.devices.get(&device)
    }

    /// Whether the device list of a protocol was ever received, by download or by update.
    pub(crate) fn knows_list(&self, namespace: &Namespace) -> bool {
        self.refreshed.contains_key(namespace)
    }
}

impl Stored for Contact {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes, VERSION)?;
        let mut contact = Self::default();
        for _ in 0..reader.length()? {
            let id = DeviceId::new(reader.u32()?);
            contact.devices.insert(id, decode_device(&mut reader)?);
        }
        for _ in 0..reader.length()? {
            let namespace = Namespace::stored(&reader.text()?);
            contact.refreshed.insert(namespace, reader.timestamp()?);
        }
        for _ in 0..reader.length()? {
            let key = PublicKey::from_bytes(reader.array()?);
            contact.trust.insert(key, TrustLevel::stored(reader.text()?));
        }
        reader.finish()?;
        Ok(contact)
    }

    fn encode(&self) -> Value {
        let Self {
            devices,
            refreshed,
            trust,
        } = self;
        let mut writer = Writer::new(VERSION, 128 + devices.len() * 160 + trust.len() * 64);
        writer.length(devices.len());
        for (id, device) in devices {
            writer.u32(id.get());
            encode_device(device, &mut writer);
        }
        writer.length(refreshed.len());
        for (namespace, at) in refreshed {
            writer.text(namespace.as_str());
            writer.timestamp(*at);
        }
        writer.length(trust.len());
        for (key, level) in trust {
            writer.bytes(key.as_bytes());
            writer.text(level.as_str());
        }
        writer.finish().into()
    }
}

fn decode_device(reader: &mut Reader<'_>) -> Result<ContactDevice, RecordError> {
    let mut device = ContactDevice::default();
    for _ in 0..reader.length()? {
        let namespace = Namespace::stored(&reader.text()?);
        device.protocols.insert(namespace, reader.flag()?);
    }
    if reader.flag()? {
        let ed25519 = reader.array()?;
        let curve25519 = PublicKey::from_bytes(reader.array()?);
        device.identity = Some(IdentityKey::from_parts(ed25519, curve25519));
    }
    if reader.flag()? {
        let text = reader.text()?;
        let signature = Signature::from_bytes(reader.array()?);
        device.claimed_label = Some(Label { text, signature });
        device.label_verified = reader.flag()?;
    }
    if reader.flag()? {
        device.repaired = Some(reader.timestamp()?);
    }
    Ok(device)
}

fn encode_device(device: &ContactDevice, writer: &mut Writer) {
    let ContactDevice {
        protocols,
        identity,
        claimed_label,
        label_verified,
        repaired,
    } = device;
    writer.length(protocols.len());
    for (namespace, active) in protocols {
        writer.text(namespace.as_str());
        writer.flag(*active);
    }
    writer.flag(identity.is_some());
    if let Some(identity) = identity {
        writer.bytes(identity.ed25519());
        writer.bytes(identity.curve25519().as_bytes());
    }
    writer.flag(claimed_label.is_some());
    if let Some(label) = claimed_label {
        writer.text(&label.text);
        writer.bytes(label.signature.as_bytes());
        writer.flag(*label_verified);
    }
    writer.flag(repaired.is_some());
    if let Some(repaired) = repaired {
        writer.timestamp(*repaired);
    }
}
