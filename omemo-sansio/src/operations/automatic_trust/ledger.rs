//! The rules of automatic trust management, over the records of the accounts concerned.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use omemo_storage::Key;

use super::outcome::TrustChange;
use super::told;
use crate::engine::{Env, Stop, View};
use crate::keys::PublicKey;
use crate::operations::{own_account, within};
use crate::records::{Contact, Decision, OwedTrust, Stored, TrustHistory, Verdict, place};
use crate::settings::Settings;
use crate::trust::AutomaticLevels;
use crate::{BareJid, Error, Timestamp};

/// The most keys of an account that trust messages may speak of; a person may add more.
pub(super) const MAX_KEYS: usize = 1000;

/// The most decisions of a person that may wait to be told.
pub(super) const MAX_OWED: usize = 1000;

/// Whose statements are weighed: a key that has authenticated a message.
#[derive(Clone)]
pub(super) struct Speaker {
    pub(super) jid: BareJid,
    pub(super) key: PublicKey,
}

/// How far a key is believed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Authenticated,
    Distrusted,
    Open,
}

/// The accounts that an operation has to do with, as automatic trust management sees them.
pub(super) struct Ledger {
    pub(super) levels: AutomaticLevels,
    pub(super) now: Timestamp,
    own_jid: BareJid,
    pub(super) own_key: PublicKey,
    pub(super) accounts: BTreeMap<BareJid, Known>,
    pub(super) owed: OwedTrust,
    pub(super) changes: Vec<TrustChange>,
    /// Keys that were just authenticated: what they have said before counts now.
    pub(super) heard: Vec<Speaker>,
}

pub(super) struct Known {
    pub(super) contact: Contact,
    pub(super) history: TrustHistory,
}

impl Ledger {
    pub(super) fn open(
        view: &mut View,
        env: &Env<'_>,
        settings: &Settings,
        levels: AutomaticLevels,
        jids: &BTreeSet<BareJid>,
    ) -> Result<Self, Stop> {
        want_all(view, settings, jids)?;
        view.settle()?;
        let owed = view.read::<OwedTrust>(&place::owed_trust()?)?;
        Ok(Self {
            levels,
            now: env.now,
            own_jid: settings.jid.clone(),
            own_key: own_account(view)?.identity.public().curve25519(),
            accounts: BTreeMap::new(),
            owed: owed.map(|owed| (*owed).clone()).unwrap_or_default(),
            changes: Vec::new(),
            heard: Vec::new(),
        })
    }

    /// Writes what has changed, and hands out which keys got another level.
    pub(super) fn put(mut self, view: &mut View) -> Result<Vec<TrustChange>, Stop> {
        self.forget_untold(view)?;
        for (jid, Known { contact, history }) in self.accounts {
            // Whatever has become of its keys: their levels may be from a time when nobody looked.
            if jid != self.own_jid && told::any_authenticated(contact.trust.values(), &self.levels) {
                self.owed.contacts.insert(jid.clone());
            } else {
                self.owed.contacts.remove(&jid);
            }
            put(view, &place::contact(&jid)?, contact)?;
            put(view, &place::trust_history(&jid)?, history)?;
        }
        put(view, &place::owed_trust()?, self.owed)?;
        Ok(self.changes)
    }

    /// Forgets decisions that nobody is to be told of: no message stands for them that could be reported as sent. What is
    /// decided about contacts is told to own endpoints alone (XEP-0450, sections 4.1.1 and 4.4.1), if any has an
    /// authenticated key. Refuses more than may wait.
    fn forget_untold(&mut self, view: &mut View) -> Result<(), Stop> {
        if self.owed.decisions.is_empty() {
            return Ok(());
        }
        let stored;
        let own = match self.accounts.get(&self.own_jid) {
            Some(known) => Some(&known.contact),
            None => {
                stored = view.read::<Contact>(&place::contact(&self.own_jid)?)?;
                stored.as_deref()
            }
        };
        let mut keys = own.into_iter().flat_map(|own| &own.trust);
        if !keys.any(|(key, level)| *level == self.levels.authenticated && *key != self.own_key) {
            self.owed.decisions.retain(|(jid, _), _| *jid == self.own_jid);
        }
        within(
            "a number of decisions that others are not told yet",
            self.owed.decisions.len(),
            MAX_OWED,
        )
    }

    pub(super) fn is_own_key(&self, key: PublicKey) -> bool {
        key == self.own_key
    }

    pub(super) fn standing(&mut self, view: &mut View, speaker: &Speaker) -> Result<Standing, Stop> {
        let known = known(&mut self.accounts, view, &speaker.jid)?;
        Ok(match known.contact.trust.get(&speaker.key) {
            Some(level) if *level == self.levels.authenticated => Standing::Authenticated,
            Some(level) if *level == self.levels.distrusted => Standing::Distrusted,
            _ => Standing::Open,
        })
    }
}

/// Levels that are from a time when nobody looked.
impl Ledger {
    /// Lets count that keys of an account are authenticated.
    pub(super) fn look_over(&mut self, view: &mut View, jid: &BareJid) -> Result<(), Stop> {
        let contact = &known(&mut self.accounts, view, jid)?.contact;
        let (own_key, authenticated) = (self.own_key, &self.levels.authenticated);
        let keys = contact.trust.iter();
        let keys: Vec<_> = keys
            .filter(|(key, level)| *level == authenticated && **key != own_key)
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            self.take_effect(view, jid, key, Some(Verdict::Trust))?;
        }
        self.hear(view)
    }

    /// Takes note that all accounts were looked over.
    pub(super) fn is_looked_over(&mut self) {
        self.owed.looked_over = Some(self.levels.authenticated.clone());
    }
}

/// What follows from a key's level.
impl Ledger {
    pub(super) fn take_effect(
        &mut self,
        view: &mut View,
        jid: &BareJid,
        key: PublicKey,
        verdict: Option<Verdict>,
    ) -> Result<(), Stop> {
        let Known { contact, history } = known(&mut self.accounts, view, jid)?;
        match verdict {
            Some(Verdict::Trust) => {
                // What was trusted before anything was authentic is not any more (XEP-0450, section 6.2).
                contact.trust.retain(|_, level| *level != self.levels.provisional);
                self.heard.push(Speaker {
                    jid: jid.clone(),
                    key,
                });
            }
            Some(Verdict::Distrust) => history.held.retain(|held| held.sender != key),
            None => {}
        }
        Ok(())
    }
}

/// Writes a record if it differs from what is stored; none to say nothing in.
fn put<T: Stored + Default + PartialEq>(view: &mut View, key: &Key, record: T) -> Result<(), Stop> {
    if record == T::default() && view.read::<T>(key)?.is_none() {
        return Ok(());
    }
    view.put_changed(key, record)
}

/// Notes down that the own account's records and what is known of accounts will be needed.
pub(super) fn want_all<'a>(
    view: &mut View,
    settings: &Settings,
    jids: impl IntoIterator<Item = &'a BareJid>,
) -> Result<(), Stop> {
    view.want(place::account()?);
    view.want(place::contact(&settings.jid)?);
    view.want(place::owed_trust()?);
    want(view, jids)
}

/// Notes down that what is known of accounts will be needed.
pub(super) fn want<'a>(view: &mut View, jids: impl IntoIterator<Item = &'a BareJid>) -> Result<(), Stop> {
    for jid in jids {
        view.want(place::contact(jid)?);
        view.want(place::trust_history(jid)?);
    }
    Ok(())
}

/// What is known of an account.
pub(super) fn known<'a>(
    accounts: &'a mut BTreeMap<BareJid, Known>,
    view: &mut View,
    jid: &BareJid,
) -> Result<&'a mut Known, Stop> {
    if !accounts.contains_key(jid) {
        let contact = view.read::<Contact>(&place::contact(jid)?)?;
        let history = view.read::<TrustHistory>(&place::trust_history(jid)?)?;
        let known = Known {
            contact: contact.map(|contact| (*contact).clone()).unwrap_or_default(),
            history: history.map(|history| (*history).clone()).unwrap_or_default(),
        };
        accounts.insert(jid.clone(), known);
    }
    let missing = Error::Internal("an account that was read is not there");
    accounts.get_mut(jid).ok_or(Stop::Fail(missing))
}

impl TrustHistory {
    /// Notes when a key was decided about. Past the bound the oldest is forgotten; a key that is distrusted without a
    /// time counts as distrusted by a person.
    pub(super) fn decide(&mut self, key: PublicKey, decision: Decision) {
        self.decided.insert(key, decision);
        if self.decided.len() > MAX_KEYS {
            let oldest = self.decided.iter().min_by_key(|(_, decision)| decision.at);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.decided.remove(&oldest);
            }
        }
    }
}
