//! Trust messages (XEP-0434), for automatic trust management.

use alloc::vec::Vec;
use core::fmt;

use crate::keys::{Fingerprint, IdentityKey, PublicKey};
use crate::{BareJid, Namespace};

/// The most keys that a trust message may speak of: 1,000.
pub const MAX_TRUST_STATEMENTS: usize = 1000;

/// What stands in a `<trust-message>` element (XEP-0434, section 4) whose usage is [`TrustMessage::USAGE`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustMessage {
    /// The protocol that uses the keys. Both versions of OMEMO use the same.
    pub encryption: Namespace,
    /// What is said, by owner of the keys. At most [`MAX_TRUST_STATEMENTS`] keys together.
    pub owners: Vec<KeyOwner>,
}

impl TrustMessage {
    /// The purpose of the trust messages of automatic trust management (XEP-0450).
    pub const USAGE: &'static str = "urn:xmpp:atm:1";

    /// How many keys it speaks of.
    pub fn statements(&self) -> usize {
        self.owners
            .iter()
            .map(|owner| owner.trust.len().saturating_add(owner.distrust.len()))
            .sum()
    }
}

/// What a trust message says about the keys of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOwner {
    /// The account.
    pub jid: BareJid,
    /// Its keys that the sender has authenticated.
    pub trust: Vec<KeyIdentifier>,
    /// Its keys that the sender distrusts. A key that stands in both is distrusted.
    pub distrust: Vec<KeyIdentifier>,
}

/// How a trust message names a key: 32 bytes. The fingerprint, which is the Curve25519 form (XEP-0384, section 7); since
/// XEP-0434 leaves it to the encryption protocol what an identifier is, the Ed25519 form, as it stands in OMEMO 2 bundles,
/// is understood too where a device with the key is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyIdentifier([u8; 32]);

impl KeyIdentifier {
    /// Takes the 32 bytes as they came.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The Curve25519 form of the key that is named: one of `known` by either form, else the one whose fingerprint it is.
    pub(crate) fn key<'a>(&self, known: impl IntoIterator<Item = &'a IdentityKey>) -> PublicKey {
        let as_curve25519 = PublicKey::from_bytes(self.0);
        let as_ed25519 = IdentityKey::from_ed25519(self.0).map(|key| key.curve25519()).ok();
        known
            .into_iter()
            .map(IdentityKey::curve25519)
            .find(|key| *key == as_curve25519 || Some(*key) == as_ed25519)
            .unwrap_or(as_curve25519)
    }
}

impl From<PublicKey> for KeyIdentifier {
    fn from(key: PublicKey) -> Self {
        Self(*key.as_bytes())
    }
}

impl fmt::Debug for KeyIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyIdentifier({})", Fingerprint::from_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::IdentityKeyPair;

    #[test]
    fn a_known_key_is_named_by_either_form() {
        let known: Vec<_> = (1..9)
            .map(|seed| *IdentityKeyPair::from_seed([seed; 32]).public())
            .collect();
        for key in &known {
            for bytes in [key.ed25519(), key.curve25519().as_bytes()] {
                assert_eq!(KeyIdentifier(*bytes).key(&known), key.curve25519());
            }
        }
        // One that is not known, by its fingerprint.
        let fingerprint = [7; 32];
        assert_eq!(
            KeyIdentifier(fingerprint).key(&known),
            PublicKey::from_bytes(fingerprint)
        );
    }
}
