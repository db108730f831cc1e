//! `contact/<jid>/contact`: the devices of an account, and which identity keys are trusted.

use omemo_storage::Value;

use super::codec::{Reader, Writer};
use super::few::Map;
use super::{RecordError, Stored};
use crate::keys::{IdentityKey, PublicKey, Signature};
use crate::trust::TrustLevel;
use crate::{DeviceId, Label, Namespace, Timestamp};

/// 2: when each device was first listed and last heard of; how often the own device was put back on a list.
const VERSION: u8 = 2;

/// A day, as the number of days since 1970-01-01: how exactly it is remembered when a device last said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(u32);

impl Day {
    pub(crate) const SECONDS: u64 = 86_400;

    pub(crate) fn of(moment: Timestamp) -> Self {
        Self(u32::try_from(moment.unix() / Self::SECONDS).unwrap_or(u32::MAX))
    }

    /// Its first moment.
    pub(crate) fn begin(self) -> Timestamp {
        Timestamp::from_unix(u64::from(self.0) * Self::SECONDS)
    }
}

/// The trust level of each identity key, by its Curve25519 form.
pub(crate) type Levels = Map<PublicKey, TrustLevel, 1>;

/// What is known of an account, one's own included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) devices: Map<DeviceId, ContactDevice, 1>,
    /// When the device list of a protocol was last downloaded because it was unknown or seemed old.
    pub(crate) refreshed: Map<Namespace, Timestamp, 2>,
    /// Keys without a level are undecided.
    pub(crate) trust: Levels,
    /// How often the own device was put back on the list of a protocol lately; of the own account alone.
    pub(crate) relisted: Map<Namespace, Relisted, 0>,
}

/// How often this device was put back on a list that somebody had taken it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relisted {
    /// How often since.
    pub(crate) times: u8,
    pub(crate) since: Timestamp,
}

/// A device of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContactDevice {
    /// The protocols it was ever listed for, and whether it still is.
    pub(crate) protocols: Map<Namespace, bool, 2>,
    /// Its identity key, once something that it authenticates was received.
    pub(crate) identity: Option<IdentityKey>,
    /// The label its account's device list claims for it.
    pub(crate) claimed_label: Option<Label>,
    /// Whether the identity key has signed the claimed label.
    pub(crate) label_verified: bool,
    /// When it was last sent a new session because it wrote in one that is not known here.
    pub(crate) repaired: Option<Timestamp>,
    /// The day it was first on a list.
    pub(crate) listed: Option<Day>,
    /// The day of the last message that it has authenticated.
    pub(crate) heard: Option<Day>,
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

    /// Records the Ed25519 form of the identity key from where it is known, sign and all. What was recorded may have been
    /// guessed from the Curve25519 form.
    pub(crate) fn correct(&mut self, identity: IdentityKey) {
        if self
            .identity
            .is_none_or(|known| known.ed25519() != identity.ed25519())
        {
            self.identify(identity);
        }
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
            // The key may have come by legacy OMEMO, which does not tell its sign.
            (Some(identity), Some(label)) => identity
                .verify_with_either_sign(label.text.as_bytes(), &label.signature)
                .is_ok(),
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
    /// Forgets which devices speak a protocol, and those that speak no other.
    pub(crate) fn forget_protocol(&mut self, namespace: &Namespace) {
        self.refreshed.remove(namespace);
        self.devices.retain(|_, device| {
            let protocols = &device.protocols;
            protocols.len() > 1 || protocols.is_empty() || !protocols.contains_key(namespace)
        });
        for (_, device) in &mut self.devices {
            device.protocols.remove(namespace);
        }
    }

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
        let (mut reader, version) = Reader::any_version(bytes, VERSION)?;
        let devices = map(&mut reader, |reader| {
            let id = DeviceId::new(reader.u32()?);
            Ok((id, decode_device(reader, version)?))
        })?;
        let refreshed = map(&mut reader, |reader| {
            Ok((reader.namespace()?, reader.timestamp()?))
        })?;
        let trust = map(&mut reader, |reader| {
            let key = PublicKey::from_bytes(reader.array()?);
            Ok((key, reader.trust_level()?))
        })?;
        let relisted = if version >= 2 {
            map(&mut reader, |reader| {
                let namespace = reader.namespace()?;
                let (times, since) = (reader.u8()?, reader.timestamp()?);
                Ok((namespace, Relisted { times, since }))
            })?
        } else {
            Map::default()
        };
        reader.finish()?;
        Ok(Self {
            devices,
            refreshed,
            trust,
            relisted,
        })
    }

    fn encode(&self) -> Value {
        let Self {
            devices,
            refreshed,
            trust,
            relisted,
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
        writer.length(relisted.len());
        for (namespace, Relisted { times, since }) in relisted {
            writer.text(namespace.as_str());
            writer.u8(*times);
            writer.timestamp(*since);
        }
        writer.finish().into()
    }
}

/// For how many entries of a map there is room at once: a length that is damaged must not take memory.
const ROOM: usize = 4;

/// Reads a map, which is written in order.
fn map<K: Ord, V, const N: usize>(
    reader: &mut Reader<'_>,
    entry: impl Fn(&mut Reader<'_>) -> Result<(K, V), RecordError>,
) -> Result<Map<K, V, N>, RecordError> {
    let length = reader.length()?;
    let mut map = Map::with_capacity(length.min(ROOM));
    for _ in 0..length {
        let (key, value) = entry(reader)?;
        if map.try_append(key, value).is_some() {
            return Err(RecordError::Invalid("order"));
        }
    }
    Ok(map)
}

fn decode_device(reader: &mut Reader<'_>, version: u8) -> Result<ContactDevice, RecordError> {
    let mut device = ContactDevice {
        protocols: map(reader, |reader| Ok((reader.namespace()?, reader.flag()?)))?,
        ..ContactDevice::default()
    };
    if reader.flag()? {
        let ed25519 = reader.array()?;
        let curve25519 = PublicKey::from_bytes(reader.array()?);
        device.identity = Some(IdentityKey::from_parts(ed25519, curve25519));
    }
    if reader.flag()? {
        let text = reader.text()?.into();
        let signature = Signature::from_bytes(reader.array()?);
        device.claimed_label = Some(Label { text, signature });
        device.label_verified = reader.flag()?;
    }
    if reader.flag()? {
        device.repaired = Some(reader.timestamp()?);
    }
    if version >= 2 {
        for day in [&mut device.listed, &mut device.heard] {
            if reader.flag()? {
                *day = Some(Day(reader.u32()?));
            }
        }
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
        listed,
        heard,
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
    for day in [listed, heard] {
        writer.flag(day.is_some());
        if let Some(Day(day)) = day {
            writer.u32(*day);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_no_record_can_be_named_after_is_damage() {
        let contact = Contact {
            refreshed: [(Namespace::OMEMO_2, Timestamp::from_unix(1))]
                .into_iter()
                .collect(),
            ..Contact::default()
        };
        let mut bytes = contact.encode().as_bytes().to_vec();
        let place = bytes.windows(3).position(|part| part == b"urn").unwrap();
        bytes[place] = 0;
        assert_eq!(
            Contact::decode(&bytes).err(),
            Some(RecordError::Invalid("namespace"))
        );
    }

    /// Devices are looked for as if they were in order.
    #[test]
    fn what_is_not_in_order_is_damage() {
        let devices = |ids: [u32; 2]| {
            let mut writer = Writer::new(VERSION, 64);
            writer.length(ids.len());
            for id in ids {
                writer.u32(id);
                encode_device(&ContactDevice::default(), &mut writer);
            }
            (0..3).for_each(|_| writer.length(0));
            writer.finish()
        };
        assert!(Contact::decode(&devices([1, 2])).is_ok());
        for ids in [[2, 1], [1, 1]] {
            assert_eq!(
                Contact::decode(&devices(ids)).err(),
                Some(RecordError::Invalid("order"))
            );
        }
    }
}
