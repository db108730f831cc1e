//! Which of a message's recipients are trusted, and asking about those that nobody has decided about.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::encrypt::EncryptRequest;
use super::recipients::Recipients;
use super::set_trust::{judge, meaning};
use crate::engine::{Stop, View};
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
        settings: &Settings,
        request: &EncryptRequest,
    ) -> Result<(), Stop> {
        // Every key is judged by what was decided before this message.
        let mut first_used = Vec::new();
        let mut undecided: BTreeMap<(BareJid, IdentityKey), Vec<DeviceId>> = BTreeMap::new();
        let mut trusted = Vec::new();
        for target in core::mem::take(&mut self.targets) {
            let Some(identity) = self.identity(&target.address) else {
                continue;
            };
            let DeviceAddress { jid, device } = target.address.clone();
            let Some(contact) = self.contacts.get(&jid) else {
                continue;
            };
            let (trust, level) = judge(settings, &jid, &identity, &contact.trust)?;
            if let Some(level) = level {
                first_used.push((jid.clone(), identity, level));
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
        for (jid, identity, level) in first_used {
            if let Some(contact) = self.contacts.edit(&jid) {
                contact.trust.insert(identity.curve25519(), level);
            }
        }
        if !undecided.is_empty() {
            return Err(self.decide(view, settings, request, undecided));
        }
        self.targets = trusted;
        Ok(())
    }

    /// Asks, and records what was decided: the operation then runs again on it. Always stops.
    fn decide(
        &mut self,
        view: &mut View,
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
            Ok(decisions) => decisions.to_vec(),
            Err(stop) => return stop,
        };
        let mut decided = false;
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
                    if let Some(contact) = self.contacts.edit(&decision.jid) {
                        let key = decision.identity_key.curve25519();
                        contact.trust.insert(key, decision.level);
                        decided = true;
                    }
                }
                Err(stop) => return stop,
            }
        }
        if !decided {
            return EncryptFailure::StillUndecided(undecided).into();
        }
        match core::mem::take(&mut self.contacts).put(view) {
            Ok(()) => Stop::Checkpoint,
            Err(stop) => stop,
        }
    }
}
