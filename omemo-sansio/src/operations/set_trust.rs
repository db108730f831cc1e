//! Trust levels of identity keys: set by the application, decided by a person, given at first use.

use alloc::collections::BTreeMap;
use alloc::string::ToString;

use super::automatic_trust::{self, Decided};
use crate::engine::{Env, Stop, View};
use crate::keys::IdentityKey;
use crate::records::{Contact, Levels, place};
use crate::settings::Settings;
use crate::trust::{Trust, TrustLevel};
use crate::{BareJid, Error};

pub(super) fn set_trust(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    jid: &BareJid,
    identity_key: &IdentityKey,
    level: &TrustLevel,
) -> Result<(), Stop> {
    meaning(settings, level)?;
    let key = place::contact(jid)?;
    view.want(key.clone());
    automatic_trust::want(view, settings, jid)?;
    view.settle()?;
    let mut contact = view.take::<Contact>(&key)?.unwrap_or_default();
    let before = contact.trust.insert(identity_key.curve25519(), level.clone());
    view.put_changed(&key, contact)?;
    let decided = Decided {
        jid: jid.clone(),
        key: identity_key.curve25519(),
        before,
    };
    automatic_trust::decided(view, env, settings, &[decided])
}

/// What a level means to the policy.
pub(super) fn meaning(settings: &Settings, level: &TrustLevel) -> Result<Trust, Stop> {
    settings
        .trust
        .meaning(level)
        .ok_or_else(|| Error::UnknownTrustLevel(level.as_str().to_string()).into())
}

/// What the policy makes of a key, and the level it is to be recorded with now if it had none. `before` are the levels
/// the contact's keys had when the operation began.
pub(super) fn judge(
    settings: &Settings,
    jid: &BareJid,
    identity_key: &IdentityKey,
    before: &Levels,
) -> Result<(Trust, Option<TrustLevel>), Stop> {
    if let Some(level) = before.get(&identity_key.curve25519()) {
        return Ok((meaning(settings, level)?, None));
    }
    let before: BTreeMap<_, _> = before.iter().map(|(key, level)| (*key, level.clone())).collect();
    match settings.trust.first_use(jid, &before) {
        Some(level) => Ok((meaning(settings, &level)?, Some(level))),
        None => Ok((Trust::Undecided, None)),
    }
}
