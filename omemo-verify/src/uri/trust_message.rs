//! Trust message URIs (XEP-0434, section "URI Query Types").

use std::collections::BTreeSet;
use std::fmt;

use omemo_sansio::keys::IdentityKey;
use omemo_sansio::trust::{KeyIdentifier, KeyOwner};
use omemo_sansio::{Devices, Namespace};

use super::UriError;
use super::parse::{key, parts};
use super::percent::{Encoded, decode};

const QUERY_TYPE: &str = "trust-message";
const ENCRYPTION: &str = "encryption";
const TRUST: &str = "trust";
const DISTRUST: &str = "distrust";

/// Which keys of an account are to be trusted and which not, as a URI:
/// `xmpp:bob@example.com?trust-message;encryption=urn:xmpp:omemo:2;trust=6235..;distrust=b423..`. What a [trust
/// message](omemo_sansio::trust::TrustMessage) says by way of a server, it says by way of a QR code: for the initial
/// authentication that automatic trust management needs (XEP-0450).
///
/// Its `Display` writes it. Names no devices: that is what a [`VerificationUri`](super::VerificationUri) does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustMessageUri {
    /// The protocol that uses the keys. Both versions of OMEMO use the same.
    pub encryption: Namespace,
    /// The account and its keys.
    pub owner: KeyOwner,
}

/// What follows from a URI for the devices that are known of its account: to be recorded by
/// [`set_trust`](omemo_sansio::Account::set_trust), once the person agrees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustDecisions {
    /// Known keys to be trusted.
    pub trust: Vec<IdentityKey>,
    /// Known keys to be distrusted.
    pub distrust: Vec<IdentityKey>,
    /// Keys that no device is known with: nothing can be decided about them before one is.
    pub unknown: Vec<KeyIdentifier>,
}

impl TrustMessageUri {
    /// Reads a URI as it was scanned: as lenient as [`VerificationUri::parse`](super::VerificationUri::parse), and in
    /// whatever order the pairs come. A key that is named several times counts once. Other keys of pairs are ignored.
    ///
    /// # Errors
    ///
    /// [`UriError`]: [`NotTrustMessage`](UriError::NotTrustMessage) for another query type,
    /// [`Encryption`](UriError::Encryption) unless it names one protocol of OMEMO, [`Key`](UriError::Key) for what are not
    /// 64 hexadecimal digits (half of what was said must not count), [`NoKeys`](UriError::NoKeys).
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let (jid, query) = parts(text)?;
        let mut pairs = query.split([';', '&']);
        let query_type = decode(pairs.next().unwrap_or_default())?;
        if !query_type.trim().eq_ignore_ascii_case(QUERY_TYPE) {
            return Err(UriError::NotTrustMessage);
        }
        let mut encryption = None;
        let (mut trust, mut distrust) = (BTreeSet::new(), BTreeSet::new());
        for pair in pairs {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?.to_ascii_lowercase(), decode(value)?);
            let keys = match name.trim() {
                ENCRYPTION => {
                    let named = protocol(value.trim()).ok_or(UriError::Encryption)?;
                    if encryption
                        .replace(named.clone())
                        .is_some_and(|other| other != named)
                    {
                        return Err(UriError::Encryption);
                    }
                    continue;
                }
                TRUST => &mut trust,
                DISTRUST => &mut distrust,
                _ => continue,
            };
            keys.insert(KeyIdentifier::from_bytes(key(&value).ok_or(UriError::Key)?));
        }
        if trust.is_empty() && distrust.is_empty() {
            return Err(UriError::NoKeys);
        }
        Ok(Self {
            encryption: encryption.ok_or(UriError::Encryption)?,
            owner: KeyOwner {
                jid,
                trust: trust.into_iter().collect(),
                distrust: distrust.into_iter().collect(),
            },
        })
    }

    /// What follows for the devices that are known of the account. Pure: what is done about it is the application's. A key
    /// that stands in both is distrusted.
    ///
    /// The caller makes sure that `known` are the devices of the [`owner`](Self::owner), that the URI came from somebody who
    /// may say this (scanned from a screen, not received in a message), and that the person agrees.
    pub fn decisions(&self, known: &Devices) -> TrustDecisions {
        let keys: Vec<IdentityKey> = known
            .devices
            .iter()
            .filter_map(|device| device.identity_key)
            .collect();
        let mut decisions = TrustDecisions::default();
        for identifier in &self.owner.distrust {
            match keys.iter().find(|key| names(identifier, key)) {
                Some(key) => decisions.distrust.push(*key),
                None => decisions.unknown.push(*identifier),
            }
        }
        for identifier in &self.owner.trust {
            match keys.iter().find(|key| names(identifier, key)) {
                Some(key) if decisions.distrust.contains(key) => {}
                Some(key) => decisions.trust.push(*key),
                None => decisions.unknown.push(*identifier),
            }
        }
        decisions
    }
}

/// Whether an identifier names a key, by its fingerprint or by its Ed25519 form.
fn names(identifier: &KeyIdentifier, key: &IdentityKey) -> bool {
    let bytes = identifier.as_bytes();
    bytes == key.curve25519().as_bytes()
        || IdentityKey::from_ed25519(*bytes).is_ok_and(|named| named.curve25519() == key.curve25519())
}

fn protocol(text: &str) -> Option<Namespace> {
    [Namespace::OMEMO_2, Namespace::LEGACY]
        .into_iter()
        .find(|namespace| namespace.as_str() == text)
}

impl fmt::Display for TrustMessageUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            encryption,
            owner: KeyOwner { jid, trust, distrust },
        } = self;
        write!(f, "xmpp:{}?{QUERY_TYPE};", Encoded(jid.as_str()))?;
        write!(f, "{ENCRYPTION}={}", Encoded(encryption.as_str()))?;
        for (name, keys) in [(TRUST, trust), (DISTRUST, distrust)] {
            for key in keys {
                write!(f, ";{name}=")?;
                key.as_bytes()
                    .iter()
                    .try_for_each(|byte| write!(f, "{byte:02x}"))?;
            }
        }
        Ok(())
    }
}
