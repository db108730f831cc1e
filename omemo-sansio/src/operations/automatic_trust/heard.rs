//! What others say of keys: weighed if the sender's key is authenticated, kept until then otherwise.

use alloc::vec::Vec;

use super::ledger::{Ledger, MAX_KEYS, Speaker, Standing, known, want};
use super::outcome::{Ignored, TrustChange};
use crate::engine::{Stop, View};
use crate::keys::{Fingerprint, PublicKey};
use crate::records::{Decision, Held, Statement, Verdict};
use crate::{Error, Timestamp};

impl Ledger {
    /// Weighs what an authenticated key says of another; why it changes nothing, if it may not.
    pub(super) fn weigh(
        &mut self,
        view: &mut View,
        speaker: &Speaker,
        statement: &Statement,
    ) -> Result<Option<Ignored>, Stop> {
        let known = known(&mut self.accounts, view, &statement.owner)?;
        let identities = known.contact.devices.values();
        let key = statement
            .key
            .key(identities.filter_map(|device| device.identity.as_ref()));
        let itself = speaker.jid == statement.owner && speaker.key == key;
        if itself || key == self.own_key {
            return Ok(Some(Ignored::NotItsToSay));
        }
        let obstacle = self.obstacle(view, key, statement)?;
        if obstacle.is_none() {
            self.follow(view, key, statement)?;
        }
        Ok(obstacle)
    }

    /// Why a statement must not decide about a key.
    fn obstacle(
        &mut self,
        view: &mut View,
        key: PublicKey,
        statement: &Statement,
    ) -> Result<Option<Ignored>, Stop> {
        let known = known(&mut self.accounts, view, &statement.owner)?;
        let level = known.contact.trust.get(&key);
        let former = known.history.decided.get(&key);
        let distrusted = level == Some(&self.levels.distrusted);
        if level.is_none() && known.contact.trust.len() >= MAX_KEYS {
            return Ok(Some(Ignored::TooMany));
        }
        if distrusted && statement.verdict == Verdict::Trust && former.is_none_or(|former| former.by_person) {
            return Ok(Some(Ignored::DistrustedHere));
        }
        let now = self.now;
        let newer = |former: &Decision| match statement.verdict {
            // A clock that was far ahead must not keep a stolen key trusted until that time comes.
            Verdict::Trust => statement.at > former.at && !statement.at.is_ahead(now, Timestamp::APART),
            Verdict::Distrust => statement.at >= former.at || former.at.is_ahead(now, Timestamp::APART),
        };
        Ok(former
            .is_some_and(|former| !newer(former))
            .then_some(Ignored::Outdated))
    }

    /// Gives a key the level that a statement wants, unless it has it.
    fn follow(&mut self, view: &mut View, key: PublicKey, statement: &Statement) -> Result<(), Stop> {
        let level = match statement.verdict {
            Verdict::Trust => self.levels.authenticated.clone(),
            Verdict::Distrust => self.levels.distrusted.clone(),
        };
        let jid = &statement.owner;
        let known = known(&mut self.accounts, view, jid)?;
        let unchanged = known.contact.trust.insert(key, level.clone()).as_ref() == Some(&level);
        let by_person = unchanged
            && known
                .history
                .decided
                .get(&key)
                // Of what is known without a time, a person has decided.
                .is_none_or(|former| former.by_person);
        known.history.decide(
            key,
            Decision {
                at: statement.at,
                by_person,
            },
        );
        if unchanged {
            return Ok(());
        }
        self.changes.push(TrustChange {
            jid: jid.clone(),
            key: Fingerprint::from_bytes(*key.as_bytes()),
            level,
        });
        // What a person here wanted others to know is not so any more.
        self.owed.decisions.remove(&(jid.clone(), key));
        self.take_effect(view, jid, key, Some(statement.verdict))
    }

    /// Keeps a statement until its sender's key is authenticated; why it is not kept, if so.
    pub(super) fn hold(
        &mut self,
        view: &mut View,
        speaker: &Speaker,
        statement: Statement,
    ) -> Result<Option<Ignored>, Stop> {
        let now = self.now;
        let history = &mut known(&mut self.accounts, view, &speaker.jid)?.history;
        Ok(history.hold(speaker.key, statement, now))
    }

    /// Lets count what a key has said before, if it is authenticated.
    pub(super) fn listen_to(&mut self, view: &mut View, speaker: &Speaker) -> Result<(), Stop> {
        self.heard.push(speaker.clone());
        self.hear(view)
    }

    /// Lets count what keys have said that were authenticated since. Ends, since what was heard is not kept; but for what
    /// was said about accounts whose records are damaged, which waits until they are not.
    pub(super) fn hear(&mut self, view: &mut View) -> Result<(), Stop> {
        while let Some(speaker) = self.heard.pop() {
            if self.standing(view, &speaker)? != Standing::Authenticated {
                continue;
            }
            let held = &mut known(&mut self.accounts, view, &speaker.jid)?.history.held;
            let mut said: Vec<Statement> = held
                .extract_if(.., |held| held.sender == speaker.key)
                .map(|held| held.statement)
                .collect();
            if said.is_empty() {
                continue;
            }
            said.sort_by_key(|statement| (statement.at, statement.verdict));
            want(view, said.iter().map(|statement| &statement.owner))?;
            view.settle()?;
            for statement in said {
                match self.weigh(view, &speaker, &statement) {
                    Err(Stop::Fail(Error::Corrupt { .. })) if statement.owner != speaker.jid => {
                        let sender = speaker.key;
                        let history = &mut known(&mut self.accounts, view, &speaker.jid)?.history;
                        history.held.push(Held { sender, statement });
                    }
                    weighed => drop(weighed?),
                }
            }
        }
        Ok(())
    }
}
