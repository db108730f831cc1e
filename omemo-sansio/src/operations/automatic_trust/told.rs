//! Which contacts are told about the own account's keys: those with authenticated keys, each by its name.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Decided;
use super::ledger::{Ledger, MAX_OWED};
use crate::engine::{Env, Stop, View};
use crate::keys::PublicKey;
use crate::operations::{own_account, within};
use crate::records::{Contact, Decision, OwedTrust, TrustHistory, Verdict, place};
use crate::settings::Settings;
use crate::trust::{AutomaticLevels, Trust, TrustLevel};
use crate::{BareJid, Error};

/// The most accounts that are looked over at a time.
pub const MAX_LOOKED_OVER: usize = 64;

pub(super) fn any_authenticated<'a>(
    mut of_keys: impl Iterator<Item = &'a TrustLevel>,
    levels: &AutomaticLevels,
) -> bool {
    of_keys.any(|level| *level == levels.authenticated)
}

/// The contacts with authenticated keys among accounts whose levels are taken over. None, unless the policy manages trust
/// automatically.
pub(in crate::operations) fn authenticated<'a, L: Iterator<Item = &'a TrustLevel>>(
    settings: &Settings,
    accounts: impl Iterator<Item = (&'a BareJid, L)>,
) -> BTreeSet<BareJid> {
    let Some(levels) = settings.trust.automatic() else {
        return BTreeSet::new();
    };
    accounts
        .filter(|(jid, _)| **jid != settings.jid)
        .filter_map(|(jid, of_keys)| any_authenticated(of_keys, &levels).then(|| jid.clone()))
        .collect()
}

/// Takes note of contacts with authenticated keys.
pub(in crate::operations) fn note(view: &mut View, contacts: BTreeSet<BareJid>) -> Result<(), Stop> {
    if contacts.is_empty() {
        return Ok(());
    }
    let place = place::owed_trust()?;
    let mut owed = view.take::<OwedTrust>(&place)?.unwrap_or_default();
    owed.contacts.extend(contacts);
    view.put_changed(&place, owed)
}

/// Takes note of what a person decides under another policy, once trust was managed automatically here, as it may be again:
/// what is owed to others then, that accounts are to be looked over again, and that what others say of the key must not
/// overrule a person.
pub(super) fn note_decided(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    decisions: &[Decided],
) -> Result<(), Stop> {
    let owed_place = place::owed_trust()?;
    view.require([owed_place.clone(), place::account()?])?;
    let Some(mut owed) = view.take::<OwedTrust>(&owed_place)? else {
        return Ok(());
    };
    let histories = decisions.iter().map(|decided| place::trust_history(&decided.jid));
    view.require(histories.collect::<Result<Vec<_>, _>>()?)?;
    let own_key = own_account(view)?.identity.public().curve25519();
    for Decided { jid, key, before } in decisions {
        let contact = view.read::<Contact>(&place::contact(jid)?)?;
        let level = contact.as_ref().and_then(|contact| contact.trust.get(key));
        let meaning = level.and_then(|level| settings.trust.meaning(level));
        if level != before.as_ref() && *key != own_key {
            owe(&mut owed, settings, (jid, *key), level, meaning);
        }
        let place = place::trust_history(jid)?;
        let history = match view.take::<TrustHistory>(&place) {
            // A person must be able to distrust a stolen key all the same.
            Err(Stop::Fail(Error::Corrupt { .. })) => None,
            history => Some(history?.unwrap_or_default()),
        };
        if let Some(mut history) = history {
            history.decide(
                *key,
                Decision {
                    at: env.now,
                    by_person: true,
                },
            );
            if meaning == Some(Trust::Distrusted) {
                // What it has said will never count.
                history.held.retain(|held| held.sender != *key);
            }
            view.put_changed(&place, history)?;
        }
    }
    view.put_changed(&owed_place, owed)
}

/// What is owed once a person has decided about a key under another policy, which may have names of its own for levels. It is
/// told by the level the key has then.
fn owe(
    owed: &mut OwedTrust,
    settings: &Settings,
    (jid, key): (&BareJid, PublicKey),
    level: Option<&TrustLevel>,
    meaning: Option<Trust>,
) {
    let of = (jid.clone(), key);
    owed.decisions.remove(&of);
    if meaning == Some(Trust::Trusted) {
        // What is trusted blindly beside it stays so until then.
        owed.looked_over = None;
        if *jid != settings.jid {
            owed.contacts.insert(jid.clone());
        }
    }
    let verdict = match meaning {
        // Others are not told of it.
        Some(Trust::Trusted) if level == Some(&TrustLevel::BLINDLY_TRUSTED) => return,
        Some(Trust::Trusted) => Verdict::Trust,
        Some(Trust::Distrusted) => Verdict::Distrust,
        _ => return,
    };
    owed.decisions.insert(of, verdict);
    if owed.decisions.len() > MAX_OWED {
        // What own devices are told of others matters less than that an own key was stolen.
        let one_of_others = owed.decisions.keys().find(|(of, _)| *of != settings.jid);
        let gone = one_of_others.or_else(|| owed.decisions.keys().next()).cloned();
        if let Some(gone) = gone {
            owed.decisions.remove(&gone);
        }
    }
}

/// Whether levels may be stored that automatic trust management has not seen. The record is there from now on, so that
/// whatever is decided while accounts are looked over is noted in it.
pub(in crate::operations) fn must_be_looked_over(view: &mut View, settings: &Settings) -> Result<bool, Stop> {
    let Some(levels) = settings.trust.automatic() else {
        return Ok(false);
    };
    let place = place::owed_trust()?;
    let Some(owed) = view.read::<OwedTrust>(&place)? else {
        view.put(&place, OwedTrust::default())?;
        return Ok(true);
    };
    Ok(owed.looked_over != Some(levels.authenticated))
}

/// Looks which of these accounts have authenticated keys: they are told, what they have said before counts, and what was
/// trusted blindly beside them is not trusted any more (XEP-0450, section 6.2). With the last of all accounts, that is done.
pub(in crate::operations) fn look_over(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    jids: &[BareJid],
    last: bool,
) -> Result<(), Stop> {
    within("a number of accounts", jids.len(), MAX_LOOKED_OVER)?;
    let Some(levels) = settings.trust.automatic() else {
        return Ok(());
    };
    let all = jids.iter().cloned().collect();
    let mut ledger = Ledger::open(view, env, settings, levels, &all)?;
    for jid in jids {
        ledger.look_over(view, jid)?;
    }
    if last {
        ledger.is_looked_over();
    }
    ledger.put(view)?;
    Ok(())
}
