//! Automatic trust management: what a person has decided is told to others, and believed.

use std::sync::Arc;

use omemo_sansio::keys::IdentityKey;
use omemo_sansio::trust::{AutomaticTrustManagement, TrustLevel, TrustMessage};
use omemo_sansio::{
    Account, Audience, EncryptRequest, Ignored, IncomingMessage, Namespace, OwedTrustMessage, Sender,
    TrustMessageOutcome,
};
use omemo_storage::Storage;

use crate::faults::prepared::{JULIET, LAPTOP, PHONE};
use crate::faults::talking::check_content;
use crate::faults::world::World;

/// A decision is owed until it is reported as sent, and what is decided meanwhile stays owed. What was heard before its sender
/// was authenticated counts from then on. To hear it twice changes nothing.
pub(super) fn tell<S: Storage>(world: &mut World<'_, S>) {
    for device in [PHONE, JULIET, LAPTOP] {
        world.sets(device, |settings| {
            settings.trust = Arc::new(AutomaticTrustManagement);
            // A trust message must not be lost with the process that has read it.
            settings.inbox = true;
        });
    }

    world.at_stake = true;
    world.authenticates(JULIET, PHONE);
    world.authenticates(PHONE, LAPTOP);
    let owed = world.looks(PHONE, Account::owed_trust_messages);
    let told: Vec<_> = owed.messages.iter().map(|owed| owed.to.clone()).collect();
    assert_eq!(told, [world.jid(LAPTOP)]);
    // Decided after it was asked what is owed.
    world.authenticates(PHONE, JULIET);
    for owed in &owed.messages {
        let held = world.tells(PHONE, owed);
        assert!(held > 0, "the phone's key is not authenticated there");
    }
    world.changes(PHONE, |account| account.trust_messages_sent(owed.clone()));
    assert_eq!(world.level(LAPTOP, JULIET), Some(TrustLevel::BLINDLY_TRUSTED));
    let later = world.looks(PHONE, Account::owed_trust_messages);
    assert!(!later.messages.is_empty(), "a decision was never told");
    for owed in &later.messages {
        world.tells(PHONE, owed);
    }
    world.changes(PHONE, |account| account.trust_messages_sent(later.clone()));
    let none = world.looks(PHONE, Account::owed_trust_messages);
    assert_eq!(none.messages, []);
    world.authenticates(LAPTOP, PHONE);
    assert_eq!(world.level(LAPTOP, JULIET), Some(TrustLevel::TRUSTED));
    assert_eq!(world.level(JULIET, LAPTOP), Some(TrustLevel::TRUSTED));
    world.at_stake = false;
    for device in [PHONE, JULIET, LAPTOP] {
        world.sets(device, |settings| settings.inbox = false);
    }
}

impl<S: Storage> World<'_, S> {
    /// The identity key of a device, as it is published.
    pub(in crate::faults) fn key(&self, device: usize) -> IdentityKey {
        let place = (Namespace::OMEMO_2, self.jid(device), self.id(device));
        self.server.bundles[&place].identity_key
    }

    /// The person at a device has compared the key of another.
    fn authenticates(&mut self, device: usize, other: usize) {
        let (jid, key) = (self.jid(other), self.key(other));
        self.changes(device, |account| {
            account.set_trust(jid.clone(), key, TrustLevel::TRUSTED)
        });
        assert_eq!(self.level(device, other), Some(TrustLevel::TRUSTED));
    }

    /// The level that the key of a device has at another.
    fn level(&mut self, device: usize, other: usize) -> Option<TrustLevel> {
        self.knows(device, other)[0].level.clone()
    }

    /// Sends an owed trust message, and has it heard by whomever it reaches. Tells how many statements are kept for later.
    fn tells(&mut self, device: usize, owed: &OwedTrustMessage) -> usize {
        // The core knows no XML, so the text only stands for the message.
        let text = format!("trust {:?} for {}", owed.message, owed.to);
        let plaintext = text.as_bytes().to_vec();
        let mut request = EncryptRequest::new(vec![owed.to.clone()], Namespace::OMEMO_2, plaintext);
        request.audience = Audience::Authenticated;
        for message in self.writes(device, request, &text) {
            self.post(device, &message, Some(&text));
        }
        let mut held = 0;
        for listener in self.present() {
            while let Some((mail, _)) = self.devices[listener].mail.pop_front() {
                held += self.hears(listener, &mail, &text, &owed.message);
            }
        }
        held
    }

    /// Takes a trust message in, and acknowledges it when it has counted.
    fn hears(&mut self, device: usize, mail: &IncomingMessage, text: &str, message: &TrustMessage) -> usize {
        let sent = self.now;
        let kept = self.keeps(device, mail, text);
        let sender = self.sender_of_kept(device, text);
        let take_in =
            |account: &Account| account.receive_trust_message(sender.clone(), sent, message.clone());
        let answer = self.insists(device, take_in);
        let TrustMessageOutcome {
            changed,
            held,
            ignored,
        } = answer.output;
        // What is held already is held once.
        assert!(
            changed.is_empty() || answer.committed,
            "trust was told of before its commit"
        );
        let is_harmless =
            |reason| reason == Ignored::NotItsToSay || reason == Ignored::Outdated && answer.lost;
        assert!(
            ignored.iter().all(|ignored| is_harmless(ignored.reason)),
            "{ignored:?}"
        );
        let again = self.looks(device, take_in);
        assert_eq!(again.changed, []);
        self.changes(device, |account| account.acknowledge(vec![kept]));
        held
    }

    fn sender_of_kept(&mut self, device: usize, text: &str) -> Sender {
        let pending = self.looks(device, Account::pending);
        let [pending] = &pending[..] else {
            panic!("one message waits in the inbox, not {}", pending.len());
        };
        check_content(&pending.received.content, Some(text));
        pending.received.sender.clone()
    }
}
