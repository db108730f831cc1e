//! Two processes of one device, whose effects take turns.

use std::fmt;

use omemo_sansio::{
    Account, BareJid, Content, Decrypted, EncryptRequest, Encrypted, Error, IncomingMessage, Namespace,
};
use omemo_storage::Storage;
use rand_core::Rng;

use super::prepared::Prepared;
use super::rng::TestRng;
use super::world::World;
use super::{pairs, story};
use crate::scene::{Interrupted, Running};

const SCHEDULES: usize = 40;

/// How much was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interleaved {
    /// How many orders of effects.
    pub schedules: usize,
    /// How many pairs of operations took turns.
    pub pairs: usize,
    /// How many commits met a conflict, and were made anew.
    pub conflicts: usize,
}

impl fmt::Display for Interleaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            schedules,
            pairs,
            conflicts,
        } = self;
        write!(
            f,
            "{pairs} pairs of operations in {schedules} schedules, {conflicts} conflicts"
        )
    }
}

/// Has two processes of one device write, read and keep house at the same time, each on a handle of its own: after every
/// effect, it is drawn which of them has the next. `open` is as for [`at_every_effect`](super::at_every_effect).
///
/// # Panics
///
/// If a message is lost, read twice or unreadable, a key is used twice, or one process undoes what the other was answered.
pub fn interleaved<S: Storage>(open: impl Fn(usize, &str) -> S) -> Interleaved {
    let (mut pairs, mut conflicts) = (0, 0);
    let prepared = Prepared::tell(|device: &str| open(2 * SCHEDULES, device));
    for schedule in 0..SCHEDULES {
        let mut turns = Turns {
            dice: TestRng::new(schedule as u64 + 1_000),
            pairs: 0,
        };
        let mut world = World::new(|device: &str| open(schedule, device), None);
        turns.tell(&mut world);
        conflicts += world.end().conflicts;
        let mut world = World::after(&prepared, |device: &str| open(SCHEDULES + schedule, device), None);
        pairs::tell(&mut turns, &mut world);
        conflicts += world.end().conflicts;
        pairs += turns.pairs;
    }
    Interleaved {
        schedules: SCHEDULES,
        pairs,
        conflicts,
    }
}

/// Decides who is next.
pub(super) struct Turns {
    dice: TestRng,
    pairs: usize,
}

impl Turns {
    fn tell<S: Storage>(&mut self, world: &mut World<'_, S>) {
        let (phone, juliet) = story::meet(world);
        let twin = world.twin(phone);
        let to = |text: &str| {
            let juliet = BareJid::new("juliet@capulet.lit").unwrap();
            EncryptRequest::new(vec![juliet], Namespace::OMEMO_2, text.as_bytes().to_vec())
        };

        // Both write.
        for round in 0..2 {
            let texts = ["of the one", "of the other"].map(|text| format!("{text}, round {round}"));
            let one = world.begin(phone, |account| account.encrypt(to(&texts[0])));
            let other = world.begin(twin, |account| account.encrypt(to(&texts[1])));
            let (one, other) = self.take_turns(world, one, other);
            world.sends(phone, one.unwrap(), &texts[0]);
            world.sends(twin, other.unwrap(), &texts[1]);
            world.reads_all(juliet);
        }

        // Both read: two messages, then one message twice.
        for text in ["first", "second", "third"] {
            world.says(juliet, "romeo@montague.lit", text);
        }
        let [first, second, third] = [(); 3].map(|()| world.devices[phone].mail.pop_front().unwrap().0);
        let (one, other) = self.read(world, [(phone, &second), (twin, &first)]);
        world.has_read(phone, one, "second");
        world.has_read(phone, other, "first");
        match self.read(world, [(phone, &third), (twin, &third)]) {
            (read, again) | (again, read) if is_repeated(&again) && !is_repeated(&read) => {
                world.has_read(phone, read, "third");
            }
            both => panic!("one message was read by both or by neither: {both:?}"),
        }

        // One writes while the other reads, and while it keeps house.
        world.says(juliet, "romeo@montague.lit", "meanwhile");
        let message = world.devices[phone].mail.pop_front().unwrap().0;
        let one = world.begin(phone, |account| account.decrypt(message));
        let other = world.begin(twin, |account| account.encrypt(to("at the same time")));
        let (one, other) = self.take_turns(world, one, other);
        world.has_read(phone, one, "meanwhile");
        world.sends(twin, other.unwrap(), "at the same time");
        world.now = world.now + story::EIGHT_DAYS;
        let one = world.begin(phone, Account::maintain);
        let other = world.begin(twin, |account| account.encrypt(to("while keeping house")));
        let (one, other) = self.take_turns(world, one, other);
        one.unwrap();
        world.sends(twin, other.unwrap(), "while keeping house");
        let (one, other) = (
            world.begin(phone, Account::flush),
            world.begin(twin, Account::flush),
        );
        let (one, other) = self.take_turns(world, one, other);
        assert!(one.is_ok() && other.is_ok());
        world.all_talk(2);
    }

    fn read<S: Storage>(
        &mut self,
        world: &mut World<'_, S>,
        [one, other]: [(usize, &IncomingMessage); 2],
    ) -> (Result<Decrypted, Error>, Result<Decrypted, Error>) {
        let one = world.begin(one.0, |account| account.decrypt(one.1.clone()));
        let other = world.begin(other.0, |account| account.decrypt(other.1.clone()));
        self.take_turns(world, one, other)
    }

    /// Drives both to their ends.
    pub(super) fn take_turns<S: Storage, A, B>(
        &mut self,
        world: &mut World<'_, S>,
        mut one: Running<A>,
        mut other: Running<B>,
    ) -> (Result<A, Error>, Result<B, Error>) {
        self.pairs += 1;
        let (mut of_one, mut of_other) = (None, None);
        loop {
            match (&of_one, &of_other) {
                (Some(_), Some(_)) => return (of_one.unwrap(), of_other.unwrap()),
                (None, Some(_)) => of_one = ended(world.proceed(&mut one)),
                (Some(_), None) => of_other = ended(world.proceed(&mut other)),
                (None, None) if self.dice.next_u32().is_multiple_of(2) => {
                    of_one = ended(world.proceed(&mut one));
                }
                (None, None) => of_other = ended(world.proceed(&mut other)),
            }
        }
    }
}

/// How an operation ended, if it has. No process dies here.
fn ended<T>(proceeded: Result<Option<T>, Interrupted>) -> Option<Result<T, Error>> {
    match proceeded {
        Ok(output) => output.map(Ok),
        Err(Interrupted::Failed(error)) => Some(Err(error)),
        Err(Interrupted::Died { .. }) => panic!("nobody was told to die"),
    }
}

fn is_repeated(decrypted: &Result<Decrypted, Error>) -> bool {
    matches!(decrypted, Ok(Decrypted::AlreadyDecrypted))
}

impl<S: Storage> World<'_, S> {
    /// Hands out what was encrypted.
    pub(super) fn sends(&mut self, device: usize, encrypted: Encrypted, text: &str) {
        let outgoing = encrypted.complete().unwrap();
        for address in &outgoing.encrypted_to {
            self.ledger.expect(text, address.device);
        }
        for message in &outgoing.messages {
            self.ledger.leaves(message);
            self.post(device, message, Some(text));
        }
    }

    /// Takes in what was decrypted for a device.
    pub(super) fn has_read(&mut self, device: usize, decrypted: Result<Decrypted, Error>, text: &str) {
        match decrypted.unwrap().received().unwrap().content {
            Content::Plaintext(read) => assert_eq!(read.as_slice(), text.as_bytes()),
            other => panic!("{text:?} came out as {other:?}"),
        }
        let id = self.devices[device].id.unwrap();
        self.ledger.reads(text, id);
    }
}
