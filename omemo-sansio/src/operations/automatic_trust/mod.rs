//! Automatic trust management (XEP-0450): what a person decides about keys is owed to others, and what others have decided
//! is believed if their keys are authenticated.

mod decide;
mod heard;
mod held;
mod ledger;
mod outcome;
mod owed;
mod receive;
mod told;

use alloc::collections::BTreeSet;

use crate::BareJid;
use crate::engine::{Env, Stop, View};
use crate::keys::{IdentityKey, PublicKey};
use crate::records::{Contact, Verdict, place};
use crate::settings::Settings;
use crate::trust::{AutomaticLevels, TrustLevel};

use ledger::Ledger;
pub use outcome::{Ignored, IgnoredStatement, TrustChange, TrustMessageOutcome};
pub use owed::{OwedTrustMessage, OwedTrustMessages};
pub(super) use owed::{owed, sent};
pub(super) use receive::receive;
pub use told::MAX_LOOKED_OVER;
pub(super) use told::{authenticated, look_over, must_be_looked_over, note};

/// A decision of a person that was just recorded.
pub(super) struct Decided {
    /// The account.
    pub(super) jid: BareJid,
    /// The key.
    pub(super) key: PublicKey,
    /// The level the key had.
    pub(super) before: Option<TrustLevel>,
}

/// Notes down what will be needed when a person decides about a key of an account.
pub(super) fn want(view: &mut View, settings: &Settings, jid: &BareJid) -> Result<(), Stop> {
    if settings.trust.automatic().is_some() {
        ledger::want_all(view, settings, [jid])
    } else {
        view.want(place::owed_trust()?);
        view.want(place::trust_history(jid)?);
        Ok(())
    }
}

/// What follows from decisions of a person, whose levels are recorded already. Unless the policy manages trust
/// automatically, only what matters once it does.
pub(super) fn decided(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    decisions: &[Decided],
) -> Result<(), Stop> {
    let Some(levels) = settings.trust.automatic() else {
        return told::note_decided(view, env, settings, decisions);
    };
    let jids: BTreeSet<BareJid> = decisions.iter().map(|decided| decided.jid.clone()).collect();
    let mut ledger = Ledger::open(view, env, settings, levels, &jids)?;
    ledger.decide(view, decisions)?;
    ledger.put(view)?;
    Ok(())
}

/// What a level says of a key to others.
fn verdict(levels: &AutomaticLevels, level: Option<&TrustLevel>) -> Option<Verdict> {
    match level {
        Some(level) if *level == levels.authenticated => Some(Verdict::Trust),
        Some(level) if *level == levels.distrusted => Some(Verdict::Distrust),
        _ => None,
    }
}

/// Whether the policy manages trust automatically and the key is authenticated.
pub(super) fn is_authenticated(settings: &Settings, contact: &Contact, key: &IdentityKey) -> bool {
    let level = contact.trust.get(&key.curve25519());
    let authenticated = settings.trust.automatic().map(|levels| levels.authenticated);
    level.is_some() && level == authenticated.as_ref()
}
