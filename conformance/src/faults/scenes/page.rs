//! A page of messages: all that it changes is one commit.

use std::sync::Arc;

use omemo_sansio::{BareJid, DecryptFailure, Decrypted, DecryptedPage, Error, IncomingMessage};
use omemo_storage::Storage;

use crate::faults::asking::{ATTEMPTS, is_passing};
use crate::faults::prepared::{BOTH, JULIET, JULIET_JID, LAPTOP, PHONE, ROMEO_JID};
use crate::faults::talking::check_content;
use crate::faults::world::World;
use crate::scene::Interrupted;

/// How a message of the page must end.
#[derive(Clone, Copy)]
enum Ending {
    Read(&'static str),
    Repeated,
    NotForUs,
    Damaged,
    NoSession,
}

/// Of a page that was committed every text is handed out, or none if the process died with it: never a part. What cannot be
/// read does the others no harm.
pub(super) fn tell<S: Storage>(world: &mut World<'_, S>) {
    let [new, old] = &BOTH;
    let (romeo, juliet) = (
        BareJid::new(ROMEO_JID).unwrap(),
        BareJid::new(JULIET_JID).unwrap(),
    );
    // The phone opens new sessions; the laptop does not know that its session is gone.
    world.asks(PHONE, |account| {
        account.forget_sessions(vec![juliet.clone()], None)
    });
    world.asks(JULIET, |account| {
        account.forget_sessions(vec![romeo.clone()], None)
    });
    for (namespace, device, text) in [
        (new, PHONE, "opens"),
        (new, PHONE, "early"),
        (new, PHONE, "late"),
        (old, PHONE, "opens in the old way"),
        (new, LAPTOP, "in a session that is gone"),
    ] {
        world.says_in(namespace, device, JULIET_JID, text);
    }
    let sent: Vec<_> = std::mem::take(&mut world.devices[JULIET].mail).into();
    let [opens, early, late, old_way, lost] = [0, 1, 2, 3, 4].map(|number: usize| sent[number].0.clone());
    world.ledger.excuse("in a session that is gone", world.id(JULIET));
    let page: Vec<(IncomingMessage, Ending)> = vec![
        (damaged(&late), Ending::Damaged),
        (opens.clone(), Ending::Read("opens")),
        (late, Ending::Read("late")),
        (lost, Ending::NoSession),
        (early, Ending::Read("early")),
        (opens.clone(), Ending::Repeated),
        (for_nobody(&opens), Ending::NotForUs),
        (old_way, Ending::Read("opens in the old way")),
    ];

    world.at_stake = true;
    world.reads_page(JULIET, &page);
    world.flushes(JULIET);
    world.reads_all(LAPTOP);
    world.says(LAPTOP, JULIET_JID, "in the session that came instead");
    world.reads_all(JULIET);
}

/// With bytes that nobody has sent.
fn damaged(message: &IncomingMessage) -> IncomingMessage {
    let mut message = message.clone();
    for element in message.message.recipients.iter_mut().flat_map(|to| &mut to.keys) {
        if let Some(last) = element.data.last_mut() {
            *last ^= 1;
        }
    }
    message
}

/// Without a key for anybody.
fn for_nobody(message: &IncomingMessage) -> IncomingMessage {
    let mut message = message.clone();
    message.message.recipients.clear();
    message
}

impl<S: Storage> World<'_, S> {
    fn reads_page(&mut self, device: usize, page: &[(IncomingMessage, Ending)]) {
        let messages: Arc<[IncomingMessage]> = page.iter().map(|(message, _)| message.clone()).collect();
        let mut lost = false;
        for _ in 0..ATTEMPTS {
            match self.drive(device, |account| account.decrypt_many(Arc::clone(&messages))) {
                Ok((outcomes, committed)) => {
                    assert!(committed || lost, "a page left before its commit");
                    return self.has_read_page(device, page, outcomes, lost);
                }
                Err(Interrupted::Died { committed }) => lost |= committed,
                Err(Interrupted::Failed(error)) => assert!(is_passing(&error), "{error}"),
            }
        }
        panic!("a page cannot be read");
    }

    fn has_read_page(
        &mut self,
        device: usize,
        page: &[(IncomingMessage, Ending)],
        outcomes: DecryptedPage,
        lost: bool,
    ) {
        assert_eq!(page.len(), outcomes.len());
        let id = self.id(device);
        for ((_, ending), outcome) in page.iter().zip(outcomes) {
            match (ending, outcome) {
                (Ending::Read(text), Ok(Decrypted::AlreadyDecrypted)) if lost => {
                    self.ledger.died_with(text, id)
                }
                (Ending::Read(text), Ok(decrypted)) if !lost => {
                    let received = decrypted.received().expect("a message for this device");
                    check_content(&received.content, Some(text));
                    self.ledger.reads(text, id);
                }
                (Ending::Repeated, Ok(Decrypted::AlreadyDecrypted))
                | (Ending::NotForUs, Ok(Decrypted::NotForUs))
                | (Ending::NoSession, Err(Error::Decrypt(DecryptFailure::NoSession(_))))
                | (Ending::Damaged, Err(Error::Decrypt(_))) => {}
                // Its number is known before its bytes are looked at.
                (Ending::Damaged, Ok(Decrypted::AlreadyDecrypted)) if lost => {}
                (_, outcome) => panic!("a message of a page ended as {outcome:?}"),
            }
        }
    }
}
