//! Taking in a trust message.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::ledger::{Ledger, Speaker, Standing};
use super::outcome::{Ignored, IgnoredStatement, TrustMessageOutcome};
use crate::engine::{Env, Stop, View};
use crate::operations::{Sender, within};
use crate::records::{Statement, Verdict};
use crate::settings::Settings;
use crate::trust::{MAX_TRUST_STATEMENTS, TrustMessage};
use crate::{BareJid, Timestamp};

pub(in crate::operations) fn receive(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    sender: &Sender,
    sent: Timestamp,
    message: &TrustMessage,
) -> Result<TrustMessageOutcome, Stop> {
    within(
        "a number of keys in a trust message",
        message.statements(),
        MAX_TRUST_STATEMENTS,
    )?;
    let mut outcome = TrustMessageOutcome::default();
    // A message from the future would outrank all that is decided until then.
    let mut statements = statements(message, sent.not_after(env.now));
    let Some(levels) = settings.trust.automatic() else {
        outcome.ignore(statements, Ignored::NotAutomatic);
        return Ok(outcome);
    };
    let may_say = |owner: &BareJid| sender.jid == settings.jid || sender.jid == *owner;
    let foreign = statements.extract_if(.., |statement| !may_say(&statement.owner));
    outcome.ignore(foreign, Ignored::NotItsToSay);
    if statements.is_empty() {
        return Ok(outcome);
    }

    let owners = statements.iter().map(|statement| statement.owner.clone());
    let jids: BTreeSet<BareJid> = owners.chain([sender.jid.clone()]).collect();
    let mut ledger = Ledger::open(view, env, settings, levels, &jids)?;
    let speaker = Speaker {
        jid: sender.jid.clone(),
        key: sender.identity_key.curve25519(),
    };
    if ledger.is_own_key(speaker.key) {
        outcome.ignore(statements, Ignored::NotItsToSay);
        return Ok(outcome);
    }
    let mut standing = ledger.standing(view, &speaker)?;
    if standing == Standing::Authenticated {
        ledger.listen_to(view, &speaker)?;
        // What is heard now may be that the key was stolen.
        standing = ledger.standing(view, &speaker)?;
    }
    match standing {
        Standing::Distrusted => outcome.ignore(statements, Ignored::SenderDistrusted),
        Standing::Authenticated => {
            for statement in statements {
                if let Some(reason) = ledger.weigh(view, &speaker, &statement)? {
                    outcome.ignore([statement], reason);
                }
            }
            ledger.hear(view)?;
        }
        Standing::Open => {
            for statement in statements {
                match ledger.hold(view, &speaker, statement.clone())? {
                    None => outcome.held += 1,
                    Some(reason) => outcome.ignore([statement], reason),
                }
            }
        }
    }
    outcome.changed = ledger.put(view)?;
    Ok(outcome)
}

/// What the message says, trust before distrust: of a key that stands in both, distrust counts.
fn statements(message: &TrustMessage, at: Timestamp) -> Vec<Statement> {
    let mut statements: Vec<_> = message
        .owners
        .iter()
        .flat_map(|owner| {
            let trust = owner.trust.iter().map(|key| (key, Verdict::Trust));
            let distrust = owner.distrust.iter().map(|key| (key, Verdict::Distrust));
            trust.chain(distrust).map(|(key, verdict)| Statement {
                owner: owner.jid.clone(),
                key: *key,
                verdict,
                at,
            })
        })
        .collect();
    statements.sort_by_key(|statement| statement.verdict);
    statements
}

impl TrustMessageOutcome {
    fn ignore(&mut self, statements: impl IntoIterator<Item = Statement>, reason: Ignored) {
        let ignored = statements.into_iter().map(|statement| IgnoredStatement {
            jid: statement.owner,
            key: statement.key,
            reason,
        });
        self.ignored.extend(ignored);
    }
}
