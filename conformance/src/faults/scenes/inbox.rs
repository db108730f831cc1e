//! Plaintexts that are kept until the application has them.

use omemo_sansio::{Account, Decrypted, Error, InboxId, IncomingMessage};
use omemo_storage::Storage;

use crate::faults::prepared::{BOTH, JULIET, JULIET_JID, LAPTOP, PHONE, ROMEO_JID};
use crate::faults::talking::check_content;
use crate::faults::world::World;

/// How many messages the inbox holds.
const ROOM: u32 = 2;

/// No plaintext is lost to a crash; none is there once it was acknowledged; and what is acknowledged makes room.
pub(super) fn tell<S: Storage>(world: &mut World<'_, S>) {
    world.sets(JULIET, |settings| {
        settings.inbox = true;
        settings.limits.inbox_messages = ROOM;
    });
    let texts = ["kept", "kept in the old way", "kept later"];
    let [new, old] = &BOTH;
    for (namespace, text) in [new, old, new].into_iter().zip(texts) {
        world.says_in(namespace, PHONE, JULIET_JID, text);
    }
    let mail = std::mem::take(&mut world.devices[JULIET].mail);
    let [first, second, third] = [0, 1, 2].map(|number| mail[number].0.clone());

    world.at_stake = true;
    let one = world.keeps(JULIET, &first, texts[0]);
    let two = world.keeps(JULIET, &second, texts[1]);
    world.has_pending(JULIET, &[(one, texts[0]), (two, texts[1])]);
    world.is_refused(
        JULIET,
        |account| account.decrypt(third.clone()),
        |error| matches!(error, Error::InboxFull { messages: ROOM, .. }),
    );
    world.changes(JULIET, |account| account.acknowledge(vec![one]));
    world.reads_no_more(JULIET, &first);
    world.has_pending(JULIET, &[(two, texts[1])]);
    let three = world.keeps(JULIET, &third, texts[2]);
    world.looks(JULIET, |account| account.acknowledge(vec![one]));
    world.changes(JULIET, |account| account.acknowledge(vec![one, two, three]));
    world.has_pending(JULIET, &[]);
    for message in [&second, &third] {
        world.reads_no_more(JULIET, message);
    }
    world.at_stake = false;
    world.sets(JULIET, |settings| settings.inbox = false);
    world.reads_all(LAPTOP);
    world.says(JULIET, ROMEO_JID, "I have it all");
}

impl<S: Storage> World<'_, S> {
    /// Reads a message that stays in the inbox: as often as it is asked for, and whatever has died meanwhile.
    pub(in crate::faults) fn keeps(
        &mut self,
        device: usize,
        message: &IncomingMessage,
        text: &str,
    ) -> InboxId {
        let answer = self.changes(device, |account| account.decrypt(message.clone()));
        let id = kept(answer.output, text);
        self.ledger.reads(text, self.id(device));
        let again = self.looks(device, |account| account.decrypt(message.clone()));
        assert_eq!(kept(again, text), id);
        id
    }

    /// Just this waits in the inbox, in this order.
    pub(in crate::faults) fn has_pending(&mut self, device: usize, expected: &[(InboxId, &str)]) {
        let pending = self.looks(device, Account::pending);
        let ids: Vec<_> = pending.iter().map(|pending| pending.id).collect();
        let expected_ids: Vec<_> = expected.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, expected_ids);
        for (pending, (_, text)) in pending.iter().zip(expected) {
            check_content(&pending.received.content, Some(text));
        }
    }
}

fn kept(decrypted: Decrypted, text: &str) -> InboxId {
    let received = decrypted.received();
    let received = received.expect("what is not acknowledged can be read again");
    check_content(&received.content, Some(text));
    received.inbox.expect("it is in the inbox")
}
