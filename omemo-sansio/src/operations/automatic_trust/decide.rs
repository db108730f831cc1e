//! What a person decides, and what follows from it.

use alloc::vec::Vec;

use super::ledger::{Ledger, Speaker, known};
use super::{Decided, verdict};
use crate::Error;
use crate::engine::{Stop, View};
use crate::records::{Contact, Decision, Verdict, place};

impl Ledger {
    /// Takes in decisions whose levels are recorded already. All are noted before any takes effect: what a key has said
    /// must not count against another that was decided about together with it.
    pub(super) fn decide(&mut self, view: &mut View, decisions: &[Decided]) -> Result<(), Stop> {
        let mut noted = Vec::with_capacity(decisions.len());
        for decided in decisions {
            if self.note(view, decided)? {
                noted.push(decided);
            }
        }
        for decided in noted {
            self.let_count(view, decided)?;
        }
        Ok(())
    }

    /// Notes when a person decided; not where what is noted of decisions cannot be read.
    fn note(&mut self, view: &mut View, decided: &Decided) -> Result<bool, Stop> {
        let Decided { jid, key, before: _ } = decided;
        let now = self.now;
        let known = match known(&mut self.accounts, view, jid) {
            Err(damaged @ Stop::Fail(Error::Corrupt { .. })) => {
                return self
                    .distrust_beside_damage(view, decided, damaged)
                    .map(|()| false);
            }
            known => known?,
        };
        known.history.decide(
            *key,
            Decision {
                at: now,
                by_person: true,
            },
        );
        Ok(true)
    }

    /// A decision is owed to others if it makes a key authenticated or distrusted; and what a key has said counts from now
    /// on, or never.
    fn let_count(&mut self, view: &mut View, decided: &Decided) -> Result<(), Stop> {
        let Decided { jid, key, before } = decided;
        let level = known(&mut self.accounts, view, jid)?.contact.trust.get(key);
        let (verdict, repeated) = (verdict(&self.levels, level), level == before.as_ref());
        if *key == self.own_key {
            return Ok(());
        }
        if repeated {
            // It may have been given when nobody listened to the key.
            let (jid, key) = (jid.clone(), *key);
            return self.listen_to(view, &Speaker { jid, key });
        }
        self.owe(decided, verdict);
        self.take_effect(view, jid, *key, verdict)?;
        self.hear(view)
    }

    /// A person must be able to distrust a stolen key though what is noted of decisions cannot be read: what the key or
    /// others have said stays as it is then. Trust has to wait, since it ends what was trusted before.
    fn distrust_beside_damage(
        &mut self,
        view: &mut View,
        decided: &Decided,
        damaged: Stop,
    ) -> Result<(), Stop> {
        let contact = view.read::<Contact>(&place::contact(&decided.jid)?)?;
        let level = contact
            .as_ref()
            .and_then(|contact| contact.trust.get(&decided.key));
        let verdict = verdict(&self.levels, level);
        if verdict != Some(Verdict::Distrust) {
            return Err(damaged);
        }
        if level != decided.before.as_ref() && decided.key != self.own_key {
            self.owe(decided, verdict);
        }
        Ok(())
    }

    fn owe(&mut self, decided: &Decided, verdict: Option<Verdict>) {
        let of = (decided.jid.clone(), decided.key);
        match verdict {
            Some(verdict) => drop(self.owed.decisions.insert(of, verdict)),
            None => drop(self.owed.decisions.remove(&of)),
        }
    }
}
