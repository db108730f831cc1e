//! The protocol versions that recordings are of.

use omemo_sansio::keys::{IdentityKey, PublicKey};
use omemo_sansio::protocol::{AssociatedData, Legacy, Omemo2, Protocol, Role};
use omemo_xml::Format;

use super::checks::{Context, Verdict};

/// A protocol version, and how recordings of it write keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Omemo2,
    Legacy,
}

impl Version {
    pub(super) fn protocol(self) -> &'static dyn Protocol {
        match self {
            Self::Omemo2 => &Omemo2,
            Self::Legacy => &Legacy,
        }
    }

    /// How its XML is read and written.
    pub(super) fn format(self) -> Verdict<Format> {
        let namespace = self.protocol().namespace();
        Format::for_namespace(&namespace).context(format_args!("the XML of {namespace} is not known"))
    }

    /// The bytes a public key has on the wire.
    pub(super) fn encoded(self, key: &PublicKey) -> Vec<u8> {
        self.typed(key.as_bytes())
    }

    /// The bytes an identity key has on the wire.
    pub(super) fn encoded_identity(self, key: &IdentityKey) -> Vec<u8> {
        self.typed(&self.protocol().associated_data(key, key).initiator)
    }

    /// What is authenticated with a message, before the message.
    pub(super) fn joined(self, associated_data: &AssociatedData, sender: Role) -> Vec<u8> {
        let AssociatedData { initiator, responder } = associated_data;
        let both = match (self, sender) {
            (Self::Omemo2, _) | (Self::Legacy, Role::Initiator) => [initiator, responder],
            (Self::Legacy, Role::Responder) => [responder, initiator],
        };
        both.map(|key| self.typed(key)).concat()
    }

    /// An identity key that was recorded as it is on the wire.
    pub(super) fn identity(self, encoded: &[u8]) -> Verdict<IdentityKey> {
        let key = match self {
            Self::Omemo2 => encoded,
            Self::Legacy => encoded.strip_prefix(&[5]).context("a key of another type")?,
        };
        let key = key.try_into().context("a key of another length")?;
        let key = match self {
            Self::Omemo2 => IdentityKey::from_ed25519(key),
            // Nothing depends on the sign.
            Self::Legacy => IdentityKey::from_curve25519(PublicKey::from_bytes(key), false),
        };
        key.map_err(|error| error.to_string())
    }

    fn typed(self, key: &[u8; 32]) -> Vec<u8> {
        match self {
            Self::Omemo2 => key.to_vec(),
            Self::Legacy => [&[5], key.as_slice()].concat(),
        }
    }
}
