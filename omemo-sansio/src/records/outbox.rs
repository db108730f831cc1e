//! `own/outbox/..`: a mark for each thing that must still reach the outside.
//!
//! A mark has no content: what it stands for is built from the other records when it is sent.

use alloc::format;
use alloc::string::String;

use omemo_storage::{InvalidName, Key, Value};

use super::codec::{Reader, Writer};
use super::{RecordError, Stored};
use crate::records::place::OWN;
use crate::{BareJid, DeviceId, Namespace};

const VERSION: u8 = 1;
const PREFIX: &str = "outbox/";

/// That something must still be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark;

impl Stored for Mark {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        Reader::new(bytes, VERSION)?.finish()?;
        Ok(Self)
    }

    fn encode(&self) -> Value {
        Writer::new(VERSION, 1).finish().into()
    }
}

/// What a mark stands for; written in its item, so that a person can read the outbox.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MarkPlace {
    /// The bundle must be published.
    Bundle(Namespace),
    /// The own device list must be published.
    Devices(Namespace),
    /// What was published of a protocol must be taken back.
    Withdrawal(Namespace),
    /// An empty message must be sent to a device: it answers a key exchange, or moves the ratchet on. Those of older versions
    /// may open a session.
    Reply(Namespace, BareJid, DeviceId),
    /// An empty message must be sent to a device that has written in a session not known here: it opens a new one.
    Repair(Namespace, BareJid, DeviceId),
}

/// The device that an empty message is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Receiver {
    pub(crate) namespace: Namespace,
    pub(crate) jid: BareJid,
    pub(crate) device: DeviceId,
}

impl MarkPlace {
    pub(crate) fn namespace(&self) -> &Namespace {
        match self {
            Self::Bundle(namespace)
            | Self::Devices(namespace)
            | Self::Withdrawal(namespace)
            | Self::Reply(namespace, ..)
            | Self::Repair(namespace, ..) => namespace,
        }
    }

    /// The device it owes an empty message, if it does.
    pub(crate) fn receiver(&self) -> Option<Receiver> {
        match self {
            Self::Bundle(_) | Self::Devices(_) | Self::Withdrawal(_) => None,
            Self::Reply(namespace, jid, device) | Self::Repair(namespace, jid, device) => Some(Receiver {
                namespace: namespace.clone(),
                jid: jid.clone(),
                device: *device,
            }),
        }
    }

    pub(crate) fn key(&self) -> Result<Key, InvalidName> {
        Key::new(OWN, &self.item())
    }

    fn item(&self) -> String {
        match self {
            Self::Bundle(namespace) => format!("{PREFIX}bundle/{namespace}"),
            Self::Devices(namespace) => format!("{PREFIX}devices/{namespace}"),
            Self::Withdrawal(namespace) => format!("{PREFIX}withdrawal/{namespace}"),
            Self::Reply(namespace, jid, device) => format!("{PREFIX}reply/{namespace}/{jid}/{device}"),
            Self::Repair(namespace, jid, device) => format!("{PREFIX}repair/{namespace}/{jid}/{device}"),
        }
    }

    /// Reads the item of a record in the partition `own`; `None` if it is no mark.
    pub(crate) fn parse(item: &str) -> Option<Self> {
        let (kind, rest) = item.strip_prefix(PREFIX)?.split_once('/')?;
        match kind {
            "bundle" => Namespace::stored(rest).map(Self::Bundle),
            "devices" => Namespace::stored(rest).map(Self::Devices),
            "withdrawal" => Namespace::stored(rest).map(Self::Withdrawal),
            "reply" | "repair" => {
                // Neither a bare JID nor the namespace of a protocol holds a slash.
                let (namespace, rest) = rest.split_once('/')?;
                let (jid, device) = rest.rsplit_once('/')?;
                let jid = BareJid::new(jid).ok()?;
                let device = DeviceId::new(device.parse().ok()?);
                let of = if kind == "reply" {
                    Self::Reply
                } else {
                    Self::Repair
                };
                Some(of(Namespace::stored(namespace)?, jid, device))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_again_by_its_item() {
        let jid = BareJid::new("juliet@capulet.lit").unwrap();
        for place in [
            MarkPlace::Bundle(Namespace::OMEMO_2),
            MarkPlace::Devices(Namespace::LEGACY),
            MarkPlace::Withdrawal(Namespace::LEGACY),
            MarkPlace::Reply(Namespace::OMEMO_2, jid.clone(), DeviceId::new(4_294_967_295)),
            MarkPlace::Repair(Namespace::LEGACY, jid, DeviceId::new(0)),
        ] {
            assert_eq!(MarkPlace::parse(place.key().unwrap().item.as_str()), Some(place));
        }
        assert_eq!(MarkPlace::parse("account"), None);
        assert_eq!(MarkPlace::parse("outbox/reply/urn:xmpp:omemo:2/no-device"), None);
    }
}
