//! A clock that was wrong, and was set right.

use omemo::blocking::wait;
use omemo::{DecryptFailure, DeviceEntry, DeviceId, DeviceList, Error, IncomingMessage};

use super::world::{DAY, Device, JULIET, OMEMO_2, ROMEO, World, text};

const HOUR: u64 = 3_600;
const YEARS: u64 = 5 * 365 * DAY;
/// A device that nobody has sessions with, and that has no bundle.
const STRANGER: DeviceId = DeviceId::new(7);

fn list_of_strangers() -> DeviceList {
    DeviceList {
        devices: [(STRANGER, DeviceEntry::default())].into(),
    }
}

/// How many answers wait for the end of a catch-up.
fn postponed(device: &Device) -> usize {
    wait(device.client.flush()).unwrap().postponed
}

#[test]
fn a_catch_up_begun_while_the_clock_was_years_ahead_is_given_up() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    world.clock.pass(YEARS);
    drop(wait(juliet.client.begin_catch_up()).unwrap());
    world.clock.set_back(YEARS);
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
    assert_eq!(juliet.texts(), ["hello"]);
    assert_eq!(postponed(&juliet), 0);
    wait(juliet.client.maintain()).unwrap();
    assert!(!juliet.holds("own", "catchup"));
}

#[test]
fn a_catch_up_stays_open_when_the_clock_is_set_back_a_little() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    let catch_up = wait(juliet.client.begin_catch_up()).unwrap();
    world.clock.set_back(DAY - HOUR);
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
    assert_eq!(juliet.texts(), ["hello"]);
    wait(juliet.client.maintain()).unwrap();
    assert_eq!(postponed(&juliet), 1);
    wait(juliet.client.end_catch_up(&catch_up)).unwrap();
    assert_eq!(postponed(&juliet), 0);
}

/// Whoever catches up at once has no right time yet.
#[test]
fn a_catch_up_begun_before_the_clock_was_set_stays_open_for_a_day_after() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    world.clock.set_back(YEARS);
    drop(wait(juliet.client.begin_catch_up()).unwrap());
    world.clock.pass(YEARS);
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
    assert_eq!(juliet.texts(), ["hello"]);
    assert_eq!(postponed(&juliet), 1);
    wait(juliet.client.maintain()).unwrap();
    world.clock.pass(DAY - HOUR);
    assert_eq!(postponed(&juliet), 1);
    world.clock.pass(2 * HOUR);
    assert_eq!(postponed(&juliet), 0);
}

#[test]
fn the_list_is_looked_at_for_a_stranger_after_the_clock_was_years_ahead() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    juliet.send(&romeo.jid, "hello", &[OMEMO_2]);
    let [message] = <[_; 1]>::try_from(romeo.arrived()).unwrap();
    let update = |list| wait(romeo.client.update_device_list(OMEMO_2, juliet.jid.clone(), list)).unwrap();
    // What he was told last, in years to come, is another list.
    let listed = world.server.device_list(&juliet.jid, &OMEMO_2).unwrap();
    wait(romeo.client.purge_contact(juliet.jid.clone())).unwrap();
    world.clock.pass(YEARS);
    update(list_of_strangers());
    world.clock.set_back(YEARS);
    world.server.publish_device_list(&juliet.jid, &OMEMO_2, listed);
    let decrypted = romeo.decrypt(message).unwrap();
    assert_eq!(text(&decrypted).unwrap(), "hello");
}

/// Juliet, who has a device on her list that nobody has sessions with, and a message of it.
fn unknown_session(world: &World, romeo: &Device, juliet: &Device) -> IncomingMessage {
    world.settle(&[romeo, juliet]);
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
    world.settle(&[romeo, juliet]);
    juliet.send(&romeo.jid, "hello", &[OMEMO_2]);
    let [mut message] = <[_; 1]>::try_from(romeo.arrived()).unwrap();
    message.message.sender_device = STRANGER;
    let told = romeo
        .client
        .update_device_list(OMEMO_2, juliet.jid.clone(), list_of_strangers());
    wait(told).unwrap();
    message
}

/// Whether a message in an unknown session makes romeo owe its sender a new one.
fn is_repaired(romeo: &Device, message: &IncomingMessage) -> bool {
    let error = romeo.decrypt(message.clone()).unwrap_err();
    assert!(matches!(
        error,
        Error::Decrypt(DecryptFailure::NoSession(STRANGER))
    ));
    // There is no bundle to open it from, and the answer is owed no more.
    !wait(romeo.client.flush()).unwrap().failed.is_empty()
}

#[test]
fn a_session_is_repaired_after_the_clock_was_years_ahead() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    let message = unknown_session(&world, &romeo, &juliet);
    world.clock.pass(YEARS);
    assert!(is_repaired(&romeo, &message));
    world.clock.set_back(YEARS);
    assert!(is_repaired(&romeo, &message));
    // And no more than once a day, also if the clock is set back a little.
    world.clock.pass(DAY - 1);
    assert!(!is_repaired(&romeo, &message));
    world.clock.pass(1);
    assert!(is_repaired(&romeo, &message));
    world.clock.set_back(HOUR);
    assert!(!is_repaired(&romeo, &message));
}

#[test]
fn a_war_is_taken_up_after_the_clock_was_years_ahead() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    romeo.arrived();
    let fight = || {
        let told = romeo
            .client
            .update_device_list(OMEMO_2, romeo.jid.clone(), list_of_strangers());
        let change = wait(told).unwrap();
        romeo.flush();
        (change.republish, change.war)
    };
    let is_broken_off = || {
        assert_eq!([fight(), fight(), fight()], [(true, false); 3]);
        assert_eq!(fight(), (false, true));
    };
    world.clock.pass(YEARS);
    is_broken_off();
    world.clock.set_back(YEARS);
    is_broken_off();

    world.clock.pass(YEARS);
    is_broken_off();
    world.clock.set_back(YEARS);
    world
        .server
        .publish_device_list(&romeo.jid, &OMEMO_2, list_of_strangers());
    wait(romeo.client.maintain()).unwrap();
    assert_eq!(world.published(&romeo, &OMEMO_2), (true, true));
}

/// The id of the signed pre key that a device offers.
fn offered(world: &World, device: &Device) -> u32 {
    let bundle = world.server.bundle(&device.jid, &OMEMO_2, device.client.device());
    bundle.unwrap().signed_pre_key.id.get()
}

#[test]
fn a_signed_pre_key_is_replaced_a_period_after_the_clock_was_years_ahead() {
    let world = World::default();
    let juliet = world.device(JULIET, "phone");
    let first = offered(&world, &juliet);
    let replaced = || {
        wait(juliet.client.maintain()).unwrap();
        offered(&world, &juliet) - first
    };
    let [early, late] = ["early", "late"].map(|of| world.device(&format!("{of}@verona.lit"), "phone"));
    let writes = |from: &Device| IncomingMessage {
        sender: from.jid.clone(),
        message: from.encrypt(&juliet.jid, "hello", &[OMEMO_2]).messages.remove(0),
    };
    let early = writes(&early);
    world.clock.pass(YEARS);
    assert_eq!(replaced(), 1);
    // The key is not lost by setting the clock right, nor the one before it.
    let late = writes(&late);
    world.clock.set_back(YEARS);
    assert_eq!(replaced(), 1);
    world.clock.pass(7 * DAY - 1);
    assert_eq!(replaced(), 1);
    assert_eq!(text(&juliet.decrypt(early).unwrap()).unwrap(), "hello");
    world.clock.pass(1);
    assert_eq!(replaced(), 2);
    assert_eq!(text(&juliet.decrypt(late).unwrap()).unwrap(), "hello");
    world.clock.pass(7 * DAY);
    assert_eq!(replaced(), 3);
}

#[test]
fn a_device_that_was_heard_of_in_years_to_come_is_heard_of_today() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    let heard = || {
        juliet.send(&romeo.jid, "hello", &[OMEMO_2]);
        assert_eq!(romeo.texts(), ["hello"]);
        let known = wait(romeo.client.device_information(juliet.jid.clone())).unwrap();
        let heard = known.devices[0].heard.unwrap();
        heard.unix() / DAY
    };
    let today = omemo::Clock::now(&world.clock).unix() / DAY;
    world.clock.pass(YEARS);
    assert_eq!(heard(), today + YEARS / DAY);
    world.clock.set_back(YEARS);
    assert_eq!(heard(), today);
}
