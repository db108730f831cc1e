//! What two processes of one device may begin at the same time, besides writing and reading.

use std::sync::Arc;

use omemo_sansio::trust::{AutomaticTrustManagement, TrustLevel};
use omemo_sansio::{
    Account, BareJid, DecryptFailure, Decrypted, DeviceAddress, EncryptRequest, Error, IncomingMessage,
    Namespace,
};
use omemo_storage::Storage;

use super::interleaved::Turns;
use super::prepared::{JULIET, JULIET_JID, LAPTOP, PHONE, ROMEO_JID};
use super::story::EIGHT_DAYS;
use super::talking::check_content;
use super::world::World;

pub(super) fn tell<S: Storage>(turns: &mut Turns, world: &mut World<'_, S>) {
    let twin = world.twin(PHONE);
    turns.one_decides_while_the_other_reads(world, twin);
    turns.one_reads_what_the_other_reads_in_a_page(world, twin);
    turns.one_takes_from_the_inbox_while_the_other_adds(world, twin);
    turns.one_decides_while_the_other_reports(world, twin);
    turns.one_replaces_sessions_while_the_other_writes(world, twin);
    turns.one_forgets_while_the_other_writes(world, twin);
    turns.one_names_the_device_while_the_other_clears(world, twin);
    turns.one_checks_while_the_other_keeps_house(world, twin);
    turns.one_accepts_a_copy_while_the_other_writes(world, twin);
    turns.both_begin(world);
    // Of an account with a verified key, a new device's key waits for a person.
    world.person = Some(TrustLevel::TRUSTED);
    world.hears_of_lists();
    world.all_talk(1);
}

fn to_juliet(text: &str) -> EncryptRequest {
    let juliet = BareJid::new(JULIET_JID).unwrap();
    EncryptRequest::new(vec![juliet], Namespace::OMEMO_2, text.as_bytes().to_vec())
}

/// What Juliet says, taken out of the phone's mail.
fn from_juliet<S: Storage>(world: &mut World<'_, S>, text: &str) -> IncomingMessage {
    world.says(JULIET, ROMEO_JID, text);
    world.devices[PHONE].mail.pop_back().unwrap().0
}

impl Turns {
    fn one_decides_while_the_other_reads<S: Storage>(&mut self, world: &mut World<'_, S>, twin: usize) {
        let message = from_juliet(world, "while you decide");
        let (juliet, key) = (world.jid(JULIET), world.key(JULIET));
        let one = world.begin(PHONE, |account| {
            account.set_trust(juliet.clone(), key, TrustLevel::TRUSTED)
        });
        let other = world.begin(twin, |account| account.decrypt(message));
        let (one, other) = self.take_turns(world, one, other);
        one.unwrap();
        world.has_read(PHONE, other, "while you decide");
        let known = world.knows(PHONE, JULIET);
        assert_eq!(known[0].level, Some(TrustLevel::TRUSTED));
        assert!(known[0].heard.is_some());
    }

    fn one_reads_what_the_other_reads_in_a_page<S: Storage>(
        &mut self,
        world: &mut World<'_, S>,
        twin: usize,
    ) {
        let texts = ["first of a page", "second of a page"];
        let page: Arc<[IncomingMessage]> = texts.map(|text| from_juliet(world, text)).into();
        let (second, whole) = (page[1].clone(), Arc::clone(&page));
        let one = world.begin(PHONE, |account| account.decrypt_many(whole));
        let other = world.begin(twin, |account| account.decrypt(second));
        let (one, other) = self.take_turns(world, one, other);
        let mut of_page = one.unwrap().into_iter();
        world.has_read(PHONE, of_page.next().unwrap(), texts[0]);
        let repeated = |read: &Result<Decrypted, Error>| matches!(read, Ok(Decrypted::AlreadyDecrypted));
        match (of_page.next().unwrap(), other) {
            (read, again) | (again, read) if repeated(&again) && !repeated(&read) => {
                world.has_read(PHONE, read, texts[1]);
            }
            both => panic!("one message was read by both or by neither: {both:?}"),
        }
    }

    fn one_takes_from_the_inbox_while_the_other_adds<S: Storage>(
        &mut self,
        world: &mut World<'_, S>,
        twin: usize,
    ) {
        for process in [PHONE, twin] {
            world.sets(process, |settings| settings.inbox = true);
        }
        let texts = ["to be taken", "to be added"];
        let [first, second] = texts.map(|text| from_juliet(world, text));
        let taken = world.keeps(PHONE, &first, texts[0]);
        let one = world.begin(PHONE, |account| account.acknowledge(vec![taken]));
        let other = world.begin(twin, |account| account.decrypt(second));
        let (one, other) = self.take_turns(world, one, other);
        one.unwrap();
        let added = other.unwrap().received().unwrap();
        check_content(&added.content, Some(texts[1]));
        world.ledger.reads(texts[1], world.id(PHONE));
        let added = added.inbox.unwrap();
        world.has_pending(PHONE, &[(added, texts[1])]);
        world.asks(PHONE, |account| account.acknowledge(vec![added]));
        for process in [PHONE, twin] {
            world.sets(process, |settings| settings.inbox = false);
        }
    }

    /// What is decided while others are told of what was decided before stays owed.
    fn one_decides_while_the_other_reports<S: Storage>(&mut self, world: &mut World<'_, S>, twin: usize) {
        for process in [PHONE, twin] {
            world.sets(process, |settings| {
                settings.trust = Arc::new(AutomaticTrustManagement)
            });
        }
        let [(juliet, key), (romeo, own)] =
            [JULIET, LAPTOP].map(|device| (world.jid(device), world.key(device)));
        world.asks(PHONE, |account| {
            account.set_trust(romeo.clone(), own, TrustLevel::TRUSTED)
        });
        let owed = world.asks(PHONE, Account::owed_trust_messages);
        assert!(!owed.messages.is_empty());
        let one = world.begin(PHONE, |account| account.trust_messages_sent(owed));
        let other = world.begin(twin, |account| {
            account.set_trust(juliet, key, TrustLevel::DISTRUSTED)
        });
        let (one, other) = self.take_turns(world, one, other);
        assert!(one.is_ok() && other.is_ok());
        let owed = world.asks(PHONE, Account::owed_trust_messages);
        let [owed] = &owed.messages[..] else {
            panic!("the laptop is owed one message, not {}", owed.messages.len());
        };
        let keys: Vec<_> = owed
            .message
            .owners
            .iter()
            .map(|owner| owner.distrust.len())
            .collect();
        assert_eq!((&owed.to, &keys[..]), (&romeo, &[1][..]));
        let juliet = world.jid(JULIET);
        world.asks(PHONE, |account| {
            account.set_trust(juliet.clone(), key, TrustLevel::TRUSTED)
        });
    }

    fn one_replaces_sessions_while_the_other_writes<S: Storage>(
        &mut self,
        world: &mut World<'_, S>,
        twin: usize,
    ) {
        let (jid, device) = (world.jid(JULIET), world.id(JULIET));
        let one = world.begin(PHONE, |account| {
            account.replace_sessions(DeviceAddress { jid, device })
        });
        let other = world.begin(twin, |account| account.encrypt(to_juliet("in either session")));
        let (one, other) = self.take_turns(world, one, other);
        assert!(one.unwrap().values().all(Result::is_ok));
        world.sends(twin, other.unwrap(), "in either session");
        world.settles();
    }

    /// Either order is right.
    fn one_forgets_while_the_other_writes<S: Storage>(&mut self, world: &mut World<'_, S>, twin: usize) {
        let juliet = world.jid(JULIET);
        let one = world.begin(PHONE, |account| account.purge_contact(juliet.clone()));
        let other = world.begin(twin, |account| account.encrypt(to_juliet("before or after")));
        let (one, other) = self.take_turns(world, one, other);
        one.unwrap();
        world.sends(twin, other.unwrap(), "before or after");
        world.settles();
        let text = "in a session that may be gone";
        let message = from_juliet(world, text);
        let one = world.begin(PHONE, |account| {
            account.forget_sessions(vec![juliet.clone()], None)
        });
        let other = world.begin(twin, |account| account.decrypt(message));
        let (one, other) = self.take_turns(world, one, other);
        one.unwrap();
        match other {
            Err(Error::Decrypt(DecryptFailure::NoSession(_))) => world.ledger.excuse(text, world.id(PHONE)),
            read => world.has_read(PHONE, read, text),
        }
        world.says(PHONE, JULIET_JID, "in a new session");
        world.settles();
    }

    fn one_names_the_device_while_the_other_clears<S: Storage>(
        &mut self,
        world: &mut World<'_, S>,
        twin: usize,
    ) {
        let label = Some("named meanwhile".to_owned());
        let one = world.begin(PHONE, |account| account.set_own_label(label.clone()));
        let other = world.begin(twin, Account::clear_device_lists);
        let (one, other) = self.take_turns(world, one, other);
        one.unwrap();
        assert_eq!(other.unwrap(), [world.id(LAPTOP)]);
        world.flushes(PHONE);
        let listed = &world.server.lists[&(Namespace::OMEMO_2, world.jid(PHONE))].devices;
        let listed: Vec<_> = listed.keys().copied().collect();
        assert_eq!(listed, [world.id(PHONE)]);
        world.hears_of_lists();
        assert_eq!(world.knows(JULIET, PHONE)[0].label, label);
    }

    fn one_checks_while_the_other_keeps_house<S: Storage>(&mut self, world: &mut World<'_, S>, twin: usize) {
        world.now = world.now + EIGHT_DAYS;
        let one = world.begin(PHONE, Account::ensure_consistency);
        let other = world.begin(twin, Account::maintain);
        let (one, other) = self.take_turns(world, one, other);
        assert!(one.is_ok() && other.is_ok());
        world.flushes(PHONE);
        let found = world.asks(PHONE, Account::ensure_consistency);
        assert!(found.repaired.is_empty(), "{:?}", found.repaired);
    }

    /// What is written while a copy is accepted is written before it, or refused.
    fn one_accepts_a_copy_while_the_other_writes<S: Storage>(
        &mut self,
        world: &mut World<'_, S>,
        twin: usize,
    ) {
        let one = world.begin(PHONE, Account::begin_accepting_copy);
        let other = world.begin(twin, |account| account.encrypt(to_juliet("just before")));
        let (one, other) = self.take_turns(world, one, other);
        one.unwrap();
        match other {
            Err(Error::AcceptingCopy) => {}
            written => world.sends(twin, written.unwrap(), "just before"),
        }
        for jid in world.copy(PHONE).contacts() {
            world.asks(PHONE, |account| account.forget_sessions(vec![jid.clone()], None));
        }
        world.asks(PHONE, Account::end_accepting_copy);
        world.reads_all(JULIET);
        world.says(PHONE, JULIET_JID, "the copy is accepted");
        world.settles();
    }

    /// Two processes open an account for the first time, or restore it: it begins once.
    fn both_begin<S: Storage>(&mut self, world: &mut World<'_, S>) {
        let tablet = world.add("romeo's tablet", ROMEO_JID);
        let twin = world.twin(tablet);
        let [one, other] = [tablet, twin].map(|process| world.begin(process, |account| account.open(None)));
        let (one, other) = self.take_turns(world, one, other);
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.device, other.device);
        assert!(
            one.first_run != other.first_run,
            "it was opened for the first time by both or by neither"
        );
        world.devices[tablet].id = Some(one.device);
        world.flushes(tablet);

        let backup = Arc::new(world.asks(tablet, |account| account.back_up(Vec::new())));
        world.retires(tablet);
        world.retires(twin);
        let heir = world.add("romeo's desktop", ROMEO_JID);
        let twin = world.twin(heir);
        let [one, other] = [heir, twin].map(|process| {
            let backup = Arc::clone(&backup);
            world.begin(process, |account| account.restore(backup))
        });
        match self.take_turns(world, one, other) {
            (Ok(restored), Err(Error::AlreadyThere)) | (Err(Error::AlreadyThere), Ok(restored)) => {
                world.devices[heir].id = Some(restored.device);
            }
            both => panic!("a backup was restored twice or not at all: {both:?}"),
        }
        world.flushes(heir);
    }
}
