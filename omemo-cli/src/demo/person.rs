//! The person in front of a device, who decides whom to trust.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omemo::keys::Fingerprint;
use omemo::trust::{TrustDecision, TrustLevel, UndecidedKey};
use omemo::{Answer, AskTrust, TrustPrompt};

/// Someone who trusts the keys whose fingerprints they have seen on the device itself, and leaves the others open.
#[derive(Clone, Default)]
pub(super) struct Careful(Arc<Mutex<Mind>>);

#[derive(Default)]
struct Mind {
    seen: BTreeSet<Fingerprint>,
    asked: Vec<UndecidedKey>,
}

impl Careful {
    fn mind(&self) -> MutexGuard<'_, Mind> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a fingerprint that was seen on the screen of the device it belongs to.
    pub(super) fn look_at(&self, fingerprint: Fingerprint) {
        self.mind().seen.insert(fingerprint);
    }

    /// What was asked about since the last time.
    pub(super) fn take_asked(&self) -> Vec<UndecidedKey> {
        std::mem::take(&mut self.mind().asked)
    }
}

impl TrustPrompt for Careful {
    fn ask<'a>(&'a self, question: &'a AskTrust) -> Answer<'a> {
        let mut mind = self.mind();
        mind.asked.extend(question.undecided.iter().cloned());
        let decisions = question
            .undecided
            .iter()
            .filter(|key| mind.seen.contains(&key.identity_key.fingerprint()))
            .map(|key| TrustDecision {
                jid: key.jid.clone(),
                identity_key: key.identity_key,
                level: TrustLevel::TRUSTED,
            })
            .collect();
        Box::pin(ready(Ok(decisions)))
    }
}
