//! What a trust message has changed.

use alloc::vec::Vec;

use crate::BareJid;
use crate::keys::Fingerprint;
use crate::trust::{KeyIdentifier, TrustLevel};

/// What a trust message has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustMessageOutcome {
    /// The keys that have got another level. There may be more than the message speaks of: a key that is authenticated now
    /// may have said something earlier.
    pub changed: Vec<TrustChange>,
    /// How many of the message's statements are kept until the sender's key is authenticated.
    pub held: usize,
    /// The statements that change nothing, and why. What says the same as is known already is not among them.
    pub ignored: Vec<IgnoredStatement>,
}

/// A key that has got another level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustChange {
    /// The account that owns the key.
    pub jid: BareJid,
    /// The key. No device with it may be known yet.
    pub key: Fingerprint,
    /// Its level.
    pub level: TrustLevel,
}

/// A statement that changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredStatement {
    /// The account that owns the key.
    pub jid: BareJid,
    /// The key, as the message names it.
    pub key: KeyIdentifier,
    /// Why.
    pub reason: Ignored,
}

/// Why a statement of a trust message changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ignored {
    /// The policy does not manage trust automatically.
    NotAutomatic,
    /// A contact speaks of a key that is not its account's, or a key of itself, or somebody of this device's key.
    NotItsToSay,
    /// The sender's key is distrusted.
    SenderDistrusted,
    /// A person has distrusted the key here: only a person here trusts it again.
    DistrustedHere,
    /// The key was decided about later than the message was sent.
    Outdated,
    /// More keys are known, or more statements kept, than an account may have.
    TooMany,
}
