//! Beginning in a catch-up.

use std::sync::Arc;

use omemo::blocking::wait;

use super::world::{JULIET, OMEMO_2, ROMEO, World, both, settings};

#[test]
fn a_client_begins_in_a_catch_up_unless_told_otherwise() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.open(settings(JULIET, both()), "phone", Arc::default(), |builder| {
        builder.catch_up(true)
    });
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
    assert_eq!(juliet.texts(), ["hello"]);
    let flushed = wait(juliet.client.flush()).unwrap();
    assert_eq!(flushed.postponed, 1, "answers wait: {flushed:?}");
    wait(juliet.client.caught_up()).unwrap();
    let flushed = wait(juliet.client.flush()).unwrap();
    assert_eq!((flushed.postponed, flushed.sent.len()), (0, 1), "{flushed:?}");
    // There is nothing left to end.
    wait(juliet.client.caught_up()).unwrap();
    assert!(!juliet.holds("own", "catchup"));
    // Told so, it begins without.
    assert!(!romeo.holds("own", "catchup"));
    let builder = omemo::Client::builder(
        settings(ROMEO, both()),
        Arc::clone(&romeo.storage),
        romeo.connection.clone(),
    );
    wait(builder.clock(world.clock.clone()).open()).unwrap();
    assert!(romeo.holds("own", "catchup"), "the default is a catch-up");
}

#[test]
fn a_catch_up_that_nobody_ends_is_given_up_after_a_day() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.open(settings(JULIET, both()), "phone", Arc::default(), |builder| {
        builder.catch_up(true)
    });
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
    assert_eq!(juliet.texts(), ["hello"]);
    assert_eq!(wait(juliet.client.flush()).unwrap().postponed, 1);
    world.clock.pass(super::world::DAY);
    let maintained = wait(juliet.client.maintain()).unwrap();
    assert_eq!(maintained.outbox.postponed, 0, "{maintained:?}");
}

#[test]
fn catch_ups_do_not_pile_up() {
    let world = World::default();
    let juliet = world.device(JULIET, "phone");
    for _ in 0..70 {
        drop(wait(juliet.client.begin_catch_up()).unwrap());
        world.clock.pass(1);
    }
    let last = wait(juliet.client.begin_catch_up()).unwrap();
    wait(juliet.client.end_catch_up(&last)).unwrap();
    assert!(juliet.holds("own", "catchup"), "63 others are open");
}
