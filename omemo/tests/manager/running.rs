//! A client that maintains itself: what it sends of its own accord, and when it looks.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use omemo::blocking::wait;
use omemo::{DecryptFailure, DeviceEntry, DeviceId, DeviceList, Error, IncomingMessage, PreKeyId, Timer};
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Query, Storage, Value};

use super::world::{DAY, Device, JULIET, OMEMO_2, ROMEO, World, newer, settings};

/// A timer that rings when a test says so. It notes down for how long it was set.
#[derive(Clone, Default)]
struct Bell(Arc<Mutex<(Vec<Duration>, bool)>>);

impl Bell {
    fn ring(&self) {
        self.0.lock().unwrap().1 = true;
    }

    /// For how long it was set since this was last asked.
    fn rests(&self) -> Vec<u64> {
        let rests = std::mem::take(&mut self.0.lock().unwrap().0);
        rests.iter().map(Duration::as_secs).collect()
    }
}

impl Timer for Bell {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.lock().unwrap().0.push(duration);
        let bell = Arc::clone(&self.0);
        Box::pin(std::future::poll_fn(move |_| {
            match std::mem::take(&mut bell.lock().unwrap().1) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }))
    }
}

/// [`Client::run`](omemo::Client::run), as far as it goes until it rests.
fn go_on(running: &mut Pin<&mut impl Future<Output = Infallible>>) {
    let rests = running.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(rests.is_pending());
}

/// A device that skips few keys.
fn juliet(world: &World) -> Device {
    let mut settings = settings(JULIET, newer());
    settings.limits.skipped_keys.per_message = 5;
    let juliet = world.open(settings, "phone", Arc::default(), |builder| builder);
    // A device list is looked at once a minute.
    world.clock.pass(60);
    juliet
}

/// What romeo writes to juliet, as it would arrive.
fn written(world: &World, to: &Device) -> IncomingMessage {
    let romeo = world.device(ROMEO, "phone");
    let message = romeo.encrypt(&to.jid, "hello", &[OMEMO_2]).messages.remove(0);
    IncomingMessage {
        sender: romeo.jid,
        message,
    }
}

/// The same, to a bundle that was changed on the server.
fn written_to(world: &World, to: &Device, change: impl FnOnce(&mut omemo::Bundle)) -> IncomingMessage {
    let (jid, device) = (&to.jid, to.client.device());
    let mut bundle = world.server.bundle(jid, &OMEMO_2, device).unwrap();
    change(&mut bundle);
    world.server.publish_bundle(jid, &OMEMO_2, device, bundle);
    written(world, to)
}

const GONE: PreKeyId = PreKeyId::new(77_777);

fn without_pre_key(world: &World, juliet: &Device) -> IncomingMessage {
    written_to(world, juliet, |bundle| {
        let (_, key) = bundle.pre_keys.pop_first().unwrap();
        bundle.pre_keys = [(GONE, key)].into();
    })
}

fn without_signed_pre_key(world: &World, juliet: &Device) -> IncomingMessage {
    written_to(world, juliet, |bundle| bundle.signed_pre_key.id = GONE)
}

fn without_session(world: &World, juliet: &Device) -> IncomingMessage {
    let romeo = world.device(ROMEO, "phone");
    world.settle(&[&romeo, juliet]);
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
    world.settle(&[&romeo, juliet]);
    let message = romeo.encrypt(&juliet.jid, "hello", &[OMEMO_2]).messages.remove(0);
    wait(juliet.client.purge_contact(romeo.jid.clone())).unwrap();
    IncomingMessage {
        sender: romeo.jid,
        message,
    }
}

fn without_its_beginning(world: &World, juliet: &Device) -> IncomingMessage {
    let romeo = world.device(ROMEO, "phone");
    let mut written: Vec<_> = (0..8)
        .map(|_| romeo.encrypt(&juliet.jid, "hello", &[OMEMO_2]))
        .collect();
    IncomingMessage {
        sender: romeo.jid,
        message: written.pop().unwrap().messages.remove(0),
    }
}

const LAPTOP: DeviceId = DeviceId::new(7);

/// From another device of juliet's, while her phone has been taken off the list and does not know.
fn of_her_own(world: &World, juliet: &Device, listed: &[DeviceId]) -> IncomingMessage {
    let mut message = written(world, juliet);
    message.sender = juliet.jid.clone();
    message.message.sender_device = LAPTOP;
    message.message.recipients[0].keys[0].data = vec![0xff];
    let devices = listed.iter().map(|device| (*device, DeviceEntry::default()));
    let list = DeviceList {
        devices: devices.collect(),
    };
    world.server.publish_device_list(&juliet.jid, &OMEMO_2, list);
    message
}

fn of_a_device_on_no_list(world: &World, juliet: &Device) -> IncomingMessage {
    of_her_own(world, juliet, &[])
}

fn that_cannot_be_read(world: &World, juliet: &Device) -> IncomingMessage {
    of_her_own(world, juliet, &[LAPTOP])
}

/// How a message fails, what makes one that does, and whether a new session is owed then, or else a device list.
type Failing = (
    fn(&DecryptFailure) -> bool,
    fn(&World, &Device) -> IncomingMessage,
    bool,
);

const FAILING: [Failing; 6] = [
    (
        |failure| matches!(failure, DecryptFailure::NoSession(_)),
        without_session,
        true,
    ),
    (
        |failure| matches!(failure, DecryptFailure::PreKeyGone(GONE)),
        without_pre_key,
        true,
    ),
    (
        |failure| matches!(failure, DecryptFailure::SignedPreKeyGone(GONE)),
        without_signed_pre_key,
        true,
    ),
    (
        |failure| matches!(failure, DecryptFailure::TooManySkippedMessageKeys { .. }),
        without_its_beginning,
        true,
    ),
    (
        |failure| matches!(failure, DecryptFailure::SenderNotFound(LAPTOP)),
        of_a_device_on_no_list,
        false,
    ),
    (
        |failure| matches!(failure, DecryptFailure::Wire(_)),
        that_cannot_be_read,
        false,
    ),
];

#[test]
fn what_a_message_that_fails_makes_the_client_owe_is_sent_at_once() {
    for (number, (fails_so, make, owes_session)) in FAILING.into_iter().enumerate() {
        for in_page in [false, true] {
            let world = World::default();
            let juliet = juliet(&world);
            let message = make(&world, &juliet);
            let bell = Bell::default();
            let mut running = std::pin::pin!(juliet.client.run(bell.clone()));
            go_on(&mut running);
            let before = world.server.seen().empty_messages;
            let failed = match in_page {
                false => juliet.decrypt(message),
                true => wait(juliet.client.decrypt_many(vec![message])).unwrap().remove(0),
            };
            let Err(Error::Decrypt(failure)) = failed else {
                panic!("{failed:?}")
            };
            assert!(fails_so(&failure), "{number}: {failure}");
            // The timer does not ring.
            go_on(&mut running);
            let sent = world.server.seen().empty_messages - before;
            assert_eq!(sent, u64::from(owes_session), "{failure}");
            assert_eq!(world.published(&juliet, &OMEMO_2), (true, true), "{failure}");
            assert_eq!(bell.rests().len(), 2);
        }
    }
}

#[test]
fn a_client_that_runs_does_what_is_due_when_its_timer_rings() {
    let world = World::default();
    let juliet = juliet(&world);
    let offered = || {
        let bundle = world.server.bundle(&juliet.jid, &OMEMO_2, juliet.client.device());
        bundle.unwrap().signed_pre_key.id.get()
    };
    let (bell, first) = (Bell::default(), offered());
    let mut running = std::pin::pin!(juliet.client.run(bell.clone()));
    go_on(&mut running);
    assert_eq!(bell.rests(), [DAY]);
    world.clock.pass(7 * DAY);
    go_on(&mut running);
    assert_eq!((offered(), bell.rests()), (first, vec![]), "nobody has rung");
    bell.ring();
    go_on(&mut running);
    assert_eq!(offered(), first + 1);
    assert_eq!(bell.rests(), [DAY]);
    // What could not be sent is tried again in five minutes.
    world.clock.pass(7 * DAY);
    world.server.fail_uploads(1);
    bell.ring();
    go_on(&mut running);
    assert_eq!((offered(), bell.rests()), (first + 1, vec![300]));
    world.clock.pass(300);
    bell.ring();
    go_on(&mut running);
    assert_eq!(offered(), first + 2);
}

#[test]
fn a_client_that_runs_rests_for_a_minute_after_a_failure_and_goes_on() {
    let world = World::default();
    let juliet = juliet(&world);
    let account = AccountId::new(JULIET).unwrap();
    let key = Key::new("own", "account").unwrap();
    let load = || {
        let mut query = Query::new();
        query.records.insert(key.clone());
        wait(juliet.storage.load(&account, &query)).unwrap().records
    };
    let whole = load()[&key].value.clone();
    let replace = |number: u8, value: Value| {
        let mut batch = Batch::new(CommitId::from_bytes([number; 16]));
        batch.put(key.clone(), Some(load()[&key].revision), value);
        let committed = wait(juliet.storage.commit(&account, &batch)).unwrap();
        assert_eq!(committed, Committed::Applied);
    };
    let bell = Bell::default();
    let mut running = std::pin::pin!(juliet.client.run(bell.clone()));
    replace(1, vec![0xff].into());
    go_on(&mut running);
    assert_eq!(bell.rests(), [60]);
    replace(2, whole);
    bell.ring();
    go_on(&mut running);
    assert_eq!(bell.rests(), [DAY]);
}
