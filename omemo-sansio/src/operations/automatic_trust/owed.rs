//! The trust messages that are owed to others.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::verdict;
use crate::engine::{Stop, View};
use crate::keys::PublicKey;
use crate::operations::own_account;
use crate::records::{Contact, OwedTrust, Verdict, place};
use crate::settings::Settings;
use crate::trust::{AutomaticLevels, KeyIdentifier, KeyOwner, MAX_TRUST_STATEMENTS, TrustMessage};
use crate::{BareJid, Error, Namespace};

/// The trust messages that are owed, and what they stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "what is not reported as sent stays owed"]
pub struct OwedTrustMessages {
    /// The messages; to be sent each by itself, since what one contact is told is none of another's business.
    pub messages: Vec<OwedTrustMessage>,
    /// The accounts whose records are damaged, in order. They are not told, and nobody is told of their keys, until that is
    /// mended, as by purging them. So long, what was decided about own keys stays owed to all: the messages come again.
    pub untold: Vec<BareJid>,
    /// The decisions that others know once all of them are sent.
    decisions: BTreeMap<(BareJid, PublicKey), Verdict>,
}

/// A trust message that is owed to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedTrustMessage {
    /// The account; it may be the own one.
    pub to: BareJid,
    /// The message.
    pub message: TrustMessage,
}

/// What is said, by owner and key.
type Sayings = BTreeMap<(BareJid, PublicKey), Verdict>;

pub(in crate::operations) fn owed(view: &mut View, settings: &Settings) -> Result<OwedTrustMessages, Stop> {
    let Some(levels) = settings.trust.automatic() else {
        return Ok(OwedTrustMessages::default());
    };
    view.require([place::account()?, place::owed_trust()?])?;
    let own_key = own_account(view)?.identity.public().curve25519();
    let Some(owed) = view.read::<OwedTrust>(&place::owed_trust()?)? else {
        return Ok(OwedTrustMessages::default());
    };
    let concerned = concerned(settings, &owed);
    for jid in &concerned {
        view.want(place::contact(jid)?);
    }
    view.settle()?;
    let mut contacts = BTreeMap::new();
    let mut untold = Vec::new();
    for jid in concerned {
        match view.read::<Contact>(&place::contact(&jid)?) {
            // The others are told all the same. What there is to say of this one, or to tell it, stays owed: then others are
            // told again, which does no harm.
            Err(Stop::Fail(Error::Corrupt { .. })) if jid != settings.jid => untold.push(jid),
            contact => drop(contacts.insert(jid, contact?.unwrap_or_default())),
        }
    }
    let authenticated = contacts
        .iter()
        .map(|(jid, contact)| (jid.clone(), authenticated_keys(contact, &levels, own_key)));
    let round = Round {
        own: settings.jid.clone(),
        authenticated: authenticated.collect(),
    };
    let mut sayings = BTreeMap::new();
    let mut decisions = owed.decisions.clone();
    decisions.retain(|(jid, _), _| contacts.contains_key(jid));
    for (jid, key) in decisions.keys() {
        // What was decided may have been taken back where another policy is in use.
        let level = contacts.get(jid).and_then(|contact| contact.trust.get(key));
        if let Some(verdict) = verdict(&levels, level) {
            round.tell(&mut sayings, jid, *key, verdict);
        }
    }
    decisions.retain(|(jid, _), _| untold.is_empty() || *jid != settings.jid);
    Ok(OwedTrustMessages {
        messages: sayings.into_iter().flat_map(messages).collect(),
        untold,
        decisions,
    })
}

/// The accounts whose keys are spoken of or that are told.
fn concerned(settings: &Settings, owed: &OwedTrust) -> BTreeSet<BareJid> {
    let about_own = owed.decisions.keys().any(|(jid, _)| *jid == settings.jid);
    let told = owed.contacts.iter().filter(|_| about_own);
    let decided = owed.decisions.keys().map(|(jid, _)| jid);
    told.chain(decided).chain([&settings.jid]).cloned().collect()
}

fn authenticated_keys(contact: &Contact, levels: &AutomaticLevels, own_key: PublicKey) -> Vec<PublicKey> {
    let keys = contact.trust.iter();
    keys.filter(|(key, level)| **level == levels.authenticated && **key != own_key)
        .map(|(key, _)| *key)
        .collect()
}

/// Whom there is to tell, and what of.
struct Round {
    own: BareJid,
    /// The authenticated keys of each account, without that of this device.
    authenticated: BTreeMap<BareJid, Vec<PublicKey>>,
}

impl Round {
    fn keys(&self, jid: &BareJid) -> &[PublicKey] {
        self.authenticated.get(jid).map_or(&[], Vec::as_slice)
    }

    /// Adds what is owed for a decision about a key of `jid` (XEP-0450, section 4).
    fn tell(
        &self,
        sayings: &mut BTreeMap<BareJid, Sayings>,
        jid: &BareJid,
        key: PublicKey,
        verdict: Verdict,
    ) {
        let mut say = |to: &BareJid, of: &BareJid, key: PublicKey, verdict| {
            if !self.keys(to).is_empty() {
                let said = sayings.entry(to.clone()).or_default();
                said.insert((of.clone(), key), verdict);
            }
        };
        // The decision, to each own endpoint with an authenticated key (4.1.1, 4.2.1, 4.3.1, 4.4.1).
        say(&self.own, jid, key, verdict);
        if *jid == self.own {
            // And, about an own key, to each contact's (4.2.1, 4.3.1).
            for contact in self.authenticated.keys() {
                say(contact, jid, key, verdict);
            }
        }
        if verdict == Verdict::Trust && *jid == self.own {
            // To the own endpoint whose key was authenticated: all keys that are (4.2.1).
            for (of, keys) in &self.authenticated {
                keys.iter().for_each(|key| say(&self.own, of, *key, verdict));
            }
        } else if verdict == Verdict::Trust {
            // To the contact's endpoint whose key was authenticated: those of the own endpoints (4.1.1).
            self.keys(&self.own)
                .iter()
                .for_each(|key| say(jid, &self.own, *key, verdict));
        }
    }
}

/// The messages to one account, none with more keys than may be in one.
fn messages((to, sayings): (BareJid, Sayings)) -> Vec<OwedTrustMessage> {
    let sayings: Vec<_> = sayings.into_iter().collect();
    sayings
        .chunks(MAX_TRUST_STATEMENTS)
        .map(|part| OwedTrustMessage {
            to: to.clone(),
            message: message(part),
        })
        .collect()
}

fn message(sayings: &[((BareJid, PublicKey), Verdict)]) -> TrustMessage {
    let mut owners: Vec<KeyOwner> = Vec::new();
    for ((jid, key), verdict) in sayings {
        if owners.last().is_none_or(|last| last.jid != *jid) {
            owners.push(KeyOwner {
                jid: jid.clone(),
                trust: Vec::new(),
                distrust: Vec::new(),
            });
        }
        if let Some(owner) = owners.last_mut() {
            let list = match verdict {
                Verdict::Trust => &mut owner.trust,
                Verdict::Distrust => &mut owner.distrust,
            };
            list.push(KeyIdentifier::from(*key));
        }
    }
    TrustMessage {
        encryption: Namespace::OMEMO_2,
        owners,
    }
}

/// What was sent is owed no longer, unless a person has decided otherwise since.
pub(in crate::operations) fn sent(view: &mut View, sent: &OwedTrustMessages) -> Result<(), Stop> {
    let place = place::owed_trust()?;
    view.require([place.clone()])?;
    let Some(mut owed) = view.take::<OwedTrust>(&place)? else {
        return Ok(());
    };
    owed.decisions
        .retain(|of, verdict| sent.decisions.get(of) != Some(verdict));
    view.put_changed(&place, owed)
}
