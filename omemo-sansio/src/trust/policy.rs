//! The policies that come ready.

use alloc::collections::BTreeMap;

use super::{Trust, TrustLevel, TrustPolicy};
use crate::BareJid;
use crate::keys::PublicKey;

/// Every key waits for a person's decision.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manual;

/// The keys a contact is first met with are trusted; any that come later wait for a person's decision.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirstUse;

/// Blind trust before verification: every key of a contact is trusted until a person has verified one of them
/// ([`TrustLevel::TRUSTED`]); from then on new keys wait for a decision.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlindTrustBeforeVerification;

pub(super) fn usual_meaning(level: &TrustLevel) -> Option<Trust> {
    [
        (TrustLevel::TRUSTED, Trust::Trusted),
        (TrustLevel::BLINDLY_TRUSTED, Trust::Trusted),
        (TrustLevel::UNDECIDED, Trust::Undecided),
        (TrustLevel::DISTRUSTED, Trust::Distrusted),
    ]
    .into_iter()
    .find_map(|(known, trust)| (known == *level).then_some(trust))
}

impl TrustPolicy for Manual {
    fn meaning(&self, level: &TrustLevel) -> Option<Trust> {
        usual_meaning(level)
    }

    fn first_use(&self, _: &BareJid, _: &BTreeMap<PublicKey, TrustLevel>) -> Option<TrustLevel> {
        None
    }
}

impl TrustPolicy for FirstUse {
    fn meaning(&self, level: &TrustLevel) -> Option<Trust> {
        usual_meaning(level)
    }

    fn first_use(&self, _: &BareJid, others: &BTreeMap<PublicKey, TrustLevel>) -> Option<TrustLevel> {
        others.is_empty().then_some(TrustLevel::BLINDLY_TRUSTED)
    }
}

impl TrustPolicy for BlindTrustBeforeVerification {
    fn meaning(&self, level: &TrustLevel) -> Option<Trust> {
        usual_meaning(level)
    }

    fn first_use(&self, _: &BareJid, others: &BTreeMap<PublicKey, TrustLevel>) -> Option<TrustLevel> {
        let verified = others.values().any(|level| *level == TrustLevel::TRUSTED);
        (!verified).then_some(TrustLevel::BLINDLY_TRUSTED)
    }
}
