//! Which of a message's recipients are trusted, and asking about those that nobody has decided about.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::automatic_trust::{self, Decided};
use super::contacts::Known;
use super::encrypt::{Audience, EncryptRequest};
use super::recipients::Recipients;
use super::set_trust::{judge, meaning};
use crate::engine::{Env, Stop, View};
use crate::error::{EncryptFailure, SkipReason, SkippedDevice};
use crate::keys::IdentityKey;
use crate::settings::Settings;
use crate::trust::{Trust, UndecidedKey};
use crate::{BareJid, DeviceAddress, DeviceId};

impl Recipients {
    /// Keeps the trusted devices. What is undecided is asked about; answers are committed at once, each only where the
    /// key is still undecided.
    pub(super) fn ask_for_trust(
        &mut self,
        view: &mut View,
        env: &Env<'_>,
        settings: &Settings,
        request: &EncryptRequest,
    ) -> Result<(), Stop> {
        // Every key is judged by what was decided before this message.
        let mut first_used = Vec::new();
        let mut undecided: BTreeMap<(BareJid, IdentityKey), Vec<DeviceId>> = BTreeMap::new();
        let mut trusted = Vec::with_capacity(self.targets.len());
        for target in core::mem::take(&mut self.targets) {
            let DeviceAddress { jid, device } = target.address.clone();
            let identity = target.identity;
            let Some(Known { contact, .. }) = self.contacts.get(target.contact) else {
                continue;
            };
            if request.audience == Audience::Authenticated
                && !automatic_trust::is_authenticated(settings, contact, &identity)
            {
                self.skipped.push(SkippedDevice {
                    jid,
                    device: Some(device),
                    reason: SkipReason::NotAuthenticated(identity),
                });
                continue;
            }
            let (trust, level) = judge(settings, &jid, &identity, &contact.trust)?;
            if let Some(level) = level {
                first_used.push((target.contact, identity, level));
            }
            match trust {
                Trust::Trusted => trusted.push(target),
                Trust::Undecided => undecided.entry((jid, identity)).or_default().push(device),
                Trust::Distrusted => self.skipped.push(SkippedDevice {
                    jid,
                    device: Some(device),
                    reason: SkipReason::Distrusted(identity),
                }),
            }
        }
        for (contact, identity, level) in first_used {
            if let Some(contact) = self.contacts.edit(contact) {
                contact.trust.insert(identity.curve25519(), level);
            }
        }
        if !undecided.is_empty() {
            return Err(self.decide(view, env, settings, request, undecided));
        }
        self.targets = trusted;
        Ok(())
    }

    /// Asks, and records what was decided: the operation then runs again on it. Always stops.
    fn decide(
        &mut self,
        view: &mut View,
        env: &Env<'_>,
        settings: &Settings,
        request: &EncryptRequest,
        undecided: BTreeMap<(BareJid, IdentityKey), Vec<DeviceId>>,
    ) -> Stop {
        let undecided: Vec<_> = undecided
            .into_iter()
            .map(|((jid, identity_key), devices)| UndecidedKey {
                jid,
                devices,
                identity_key,
            })
            .collect();
        let decisions = match view.decisions(undecided.clone(), &request.context) {
            Ok(Ok(decisions)) => decisions.clone(),
            Ok(Err(error)) => return EncryptFailure::TrustDecisionFailed(error.clone()).into(),
            Err(stop) => return stop,
        };
        let mut decided = Vec::new();
        for decision in decisions {
            let asked = undecided
                .iter()
                .any(|key| key.jid == decision.jid && key.identity_key == decision.identity_key);
            if !asked {
                continue;
            }
            match meaning(settings, &decision.level) {
                Ok(Trust::Undecided) => {}
                Ok(Trust::Trusted | Trust::Distrusted) => {
                    if let Some(place) = self.contacts.find(&decision.jid)
                        && let Some(contact) = self.contacts.edit(place)
                    {
                        let key = decision.identity_key.curve25519();
                        let before = contact.trust.insert(key, decision.level);
                        decided.push(Decided {
                            jid: decision.jid,
                            key,
                            before,
                        });
                    }
                }
                Err(stop) => return stop,
            }
        }
        if decided.is_empty() {
            return EncryptFailure::StillUndecided(undecided).into();
        }
        let recorded = core::mem::take(&mut self.contacts)
            .put(view)
            .and_then(|()| automatic_trust::decided(view, env, settings, &decided));
        match recorded {
            Ok(()) => Stop::Checkpoint,
            Err(stop) => stop,
        }
    }
}
