//! Automatic trust management (XEP-0450): whoever has authenticated one key of a contact by hand learns of the others by
//! trust messages.

use alloc::collections::BTreeMap;

use super::policy::usual_meaning;
use super::{Trust, TrustLevel, TrustPolicy};
use crate::BareJid;
use crate::keys::PublicKey;

/// Automatic trust management, with the policy that XEP-0450 recommends (section 6.2): every key of an account is trusted
/// until one of them is authenticated. From then on only authenticated keys are: those that were trusted blindly are
/// undecided again, and new ones wait for a person or for a trust message.
///
/// A key is authenticated at the level [`TrustLevel::TRUSTED`], by a person or by a trust message from a key that is; it is
/// distrusted at [`TrustLevel::DISTRUSTED`].
///
/// - What a person decides is owed to others: [`Account::owed_trust_messages`](crate::Account::owed_trust_messages).
/// - What others have decided is taken in by
///   [`Account::receive_trust_message`](crate::Account::receive_trust_message), which has the rules. It is not passed on:
///   each endpoint tells what its own person has decided, so that nothing circles.
#[derive(Clone, Copy, Debug, Default)]
pub struct AutomaticTrustManagement;

/// The levels that automatic trust management gives and looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutomaticLevels {
    /// Of keys whose owner is certain. What such a key says about others is believed.
    pub authenticated: TrustLevel,
    /// Of keys that must not be used. What such a key says is not believed.
    pub distrusted: TrustLevel,
    /// Of keys that are used until the first key of their account is authenticated; the level is taken from them then.
    pub provisional: TrustLevel,
}

impl TrustPolicy for AutomaticTrustManagement {
    fn meaning(&self, level: &TrustLevel) -> Option<Trust> {
        usual_meaning(level)
    }

    fn first_use(&self, _: &BareJid, others: &BTreeMap<PublicKey, TrustLevel>) -> Option<TrustLevel> {
        let authenticated = others.values().any(|level| *level == TrustLevel::TRUSTED);
        (!authenticated).then_some(TrustLevel::BLINDLY_TRUSTED)
    }

    fn automatic(&self) -> Option<AutomaticLevels> {
        Some(AutomaticLevels {
            authenticated: TrustLevel::TRUSTED,
            distrusted: TrustLevel::DISTRUSTED,
            provisional: TrustLevel::BLINDLY_TRUSTED,
        })
    }
}
