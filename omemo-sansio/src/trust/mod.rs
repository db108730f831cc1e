//! Trust: which identity keys are written to.
//!
//! Trust belongs to a bare JID and an identity key, never to a device id. What is stored is the name of a level, chosen
//! by the application; a [`TrustPolicy`] says what each name means.

mod atm;
mod atm_message;
mod policy;

pub use atm::{AutomaticLevels, AutomaticTrustManagement};
pub use atm_message::{KeyIdentifier, KeyOwner, MAX_TRUST_STATEMENTS, TrustMessage};
pub use policy::{BlindTrustBeforeVerification, FirstUse, Manual};

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt::{self, Debug};

use crate::keys::{IdentityKey, PublicKey};
use crate::{BareJid, DeviceId};

/// The name of a trust level, as the application and its policy understand it. At most 64 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustLevel(Cow<'static, str>);

impl TrustLevel {
    /// A person has verified the key, or decided to trust it.
    pub const TRUSTED: Self = Self(Cow::Borrowed("trusted"));
    /// The key is trusted because it came first, or before any key of the contact was verified.
    pub const BLINDLY_TRUSTED: Self = Self(Cow::Borrowed("blindly-trusted"));
    /// Nobody has decided yet. A key without a level is undecided too.
    pub const UNDECIDED: Self = Self(Cow::Borrowed("undecided"));
    /// The key must not be written to, and what it sends is refused.
    pub const DISTRUSTED: Self = Self(Cow::Borrowed("distrusted"));

    /// A level of the application's own; `None` if the name has no bytes or more than 64.
    pub fn new(name: &'static str) -> Option<Self> {
        (1..=64)
            .contains(&name.len())
            .then_some(Self(Cow::Borrowed(name)))
    }

    /// One of the levels that have names here.
    pub(crate) fn known(name: &[u8]) -> Option<Self> {
        [
            Self::TRUSTED,
            Self::BLINDLY_TRUSTED,
            Self::UNDECIDED,
            Self::DISTRUSTED,
        ]
        .into_iter()
        .find(|known| known.as_str().as_bytes() == name)
    }

    /// A level read from a record.
    pub(crate) fn stored(name: &str) -> Self {
        Self::known(name.as_bytes()).unwrap_or_else(|| Self(Cow::Owned(name.into())))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Debug for TrustLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a level means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Messages are encrypted to the key.
    Trusted,
    /// Messages are not encrypted to the key, and what comes from it is refused.
    Distrusted,
    /// Nothing is encrypted to the key before somebody has decided; what comes from it is decrypted and marked.
    Undecided,
}

/// What trust levels mean, and which one a key gets when it is first used: pure and synchronous.
pub trait TrustPolicy: Debug + Send + Sync {
    /// What a level means; `None` if the policy does not know its name.
    fn meaning(&self, level: &TrustLevel) -> Option<Trust>;

    /// The level that a key of `jid` gets when it is first used, if the policy decides that itself. `others` holds the
    /// levels recorded for the JID's keys, by their Curve25519 form, before the operation began.
    fn first_use(&self, jid: &BareJid, others: &BTreeMap<PublicKey, TrustLevel>) -> Option<TrustLevel>;

    /// The levels of automatic trust management (XEP-0450), if the policy wants it; otherwise trust messages are neither
    /// owed nor believed. A policy that has them must not give the authenticated level at first use.
    fn automatic(&self) -> Option<AutomaticLevels> {
        None
    }
}

/// A key that somebody has to decide about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndecidedKey {
    /// The account.
    pub jid: BareJid,
    /// The devices that use the key.
    pub devices: Vec<DeviceId>,
    /// The key; its [`fingerprint`](IdentityKey::fingerprint) is what a person compares.
    pub identity_key: IdentityKey,
}

/// A decision about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustDecision {
    /// The account.
    pub jid: BareJid,
    /// The key.
    pub identity_key: IdentityKey,
    /// The level it gets.
    pub level: TrustLevel,
}
