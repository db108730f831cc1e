//! Replacing sessions, and how stale they are.

use omemo::blocking::wait;
use omemo::{BundleFailure, DecryptFailure, Decrypted, DeviceAddress, DeviceId, Error, IncomingMessage};

use super::world::{DAY, Device, JULIET, LEGACY, OMEMO_2, ROMEO, World, both, settings};

#[test]
fn sessions_are_replaced_in_every_protocol_and_the_other_side_is_told() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    world.settle(&[&romeo, &juliet]);
    for namespace in [OMEMO_2, LEGACY] {
        romeo.send(&juliet.jid, "hello", std::slice::from_ref(&namespace));
        world.settle(&[&romeo, &juliet]);
        juliet.send(&romeo.jid, "hello", &[namespace]);
        world.settle(&[&romeo, &juliet]);
    }
    // On its way when the session is replaced.
    let late = juliet.encrypt(&romeo.jid, "late", &[OMEMO_2]).messages.remove(0);
    let before = world.server.seen();
    let replaced = wait(romeo.client.replace_sessions(juliet.address())).unwrap();
    assert_eq!(replaced.len(), 2);
    assert!(replaced.values().all(Result::is_ok), "{replaced:?}");
    romeo.flush();
    let after = world.server.seen();
    assert_eq!(after.empty_messages - before.empty_messages, 2);
    assert_eq!(after.key_exchanges - before.key_exchanges, 2);
    world.settle(&[&romeo, &juliet]);
    for namespace in [OMEMO_2, LEGACY] {
        let element = |outgoing: omemo::Outgoing| outgoing.messages[0].recipients[0].keys[0].key_exchange;
        assert!(!element(juliet.encrypt(
            &romeo.jid,
            "answer",
            std::slice::from_ref(&namespace)
        )));
        romeo.send(&juliet.jid, "in the new one", &[namespace]);
        assert_eq!(juliet.texts(), ["in the new one"]);
    }
    let late = omemo::IncomingMessage {
        sender: juliet.jid.clone(),
        message: late,
    };
    assert_eq!(super::world::text(&romeo.decrypt(late).unwrap()).unwrap(), "late");
}

#[test]
fn what_was_read_in_a_session_that_was_replaced_is_still_known() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    world.settle(&[&romeo, &juliet]);
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
    world.settle(&[&romeo, &juliet]);
    juliet.send(&romeo.jid, "once", &[OMEMO_2]);
    let [once] = <[_; 1]>::try_from(romeo.arrived()).unwrap();
    assert!(romeo.decrypt(once.clone()).is_ok());
    wait(romeo.client.replace_sessions(juliet.address())).unwrap();
    world.settle(&[&romeo, &juliet]);
    let again = romeo.decrypt(once).unwrap();
    assert!(matches!(again, Decrypted::AlreadyDecrypted), "{again:?}");
}

/// Juliet writes in the session that there is, which romeo replaces; what she wrote arrives later.
fn late_by_a_session(world: &World, romeo: &Device, juliet: &Device, text: &str) -> IncomingMessage {
    let message = juliet.encrypt(&romeo.jid, text, &[OMEMO_2]).messages.remove(0);
    wait(romeo.client.replace_sessions(juliet.address())).unwrap();
    world.settle(&[romeo, juliet]);
    IncomingMessage {
        sender: juliet.jid.clone(),
        message,
    }
}

/// Romeo and juliet, who have a session.
fn acquainted(world: &World) -> (Device, Device) {
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    world.settle(&[&romeo, &juliet]);
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
    world.settle(&[&romeo, &juliet]);
    (romeo, juliet)
}

fn cannot_be_read(at: &Device, message: IncomingMessage) {
    let error = at.decrypt(message).unwrap_err();
    assert!(
        matches!(error, Error::Decrypt(DecryptFailure::Session(_))),
        "{error}"
    );
}

#[test]
fn four_sessions_that_were_replaced_are_kept() {
    let world = World::default();
    let (romeo, juliet) = acquainted(&world);
    let late: Vec<_> = (0..5)
        .map(|n| late_by_a_session(&world, &romeo, &juliet, &n.to_string()))
        .collect();
    let [oldest, others @ ..] = late.as_slice() else {
        panic!()
    };
    cannot_be_read(&romeo, oldest.clone());
    for (n, message) in (1..).zip(others) {
        let decrypted = romeo.decrypt(message.clone()).unwrap();
        assert_eq!(super::world::text(&decrypted).unwrap(), n.to_string());
    }
}

#[test]
fn a_session_that_was_replaced_is_kept_for_thirty_days() {
    for (passed, is_kept) in [(30 * DAY - 1, true), (30 * DAY, false)] {
        let world = World::default();
        let (romeo, juliet) = acquainted(&world);
        let late = late_by_a_session(&world, &romeo, &juliet, "late");
        world.clock.pass(passed);
        if is_kept {
            assert!(romeo.decrypt(late).is_ok());
        } else {
            cannot_be_read(&romeo, late);
        }
    }
}

#[test]
fn what_stands_in_the_way_of_a_replacement_is_said_for_each_protocol() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    world.settle(&[&romeo, &juliet]);
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
    romeo.send(&juliet.jid, "hello", &[LEGACY]);
    world.settle(&[&romeo, &juliet]);
    let id = juliet.client.device();
    world.server.delete_bundle(&juliet.jid, &LEGACY, id);
    let replaced = wait(romeo.client.replace_sessions(juliet.address())).unwrap();
    assert!(replaced[&OMEMO_2].is_ok());
    assert!(matches!(replaced[&LEGACY], Err(BundleFailure::Missing)));
    // Where there is no session there is none to replace.
    let nobody = DeviceAddress {
        device: DeviceId::new(7),
        ..juliet.address()
    };
    assert!(wait(romeo.client.replace_sessions(nobody)).unwrap().is_empty());
}

#[test]
fn sending_chains_tell_how_long_a_device_has_not_answered() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    world.settle(&[&romeo, &juliet]);
    for _ in 0..3 {
        romeo.send(&juliet.jid, "hello?", &[OMEMO_2]);
    }
    let chains = wait(romeo.client.sending_chains(juliet.address())).unwrap();
    assert_eq!(chains, [(OMEMO_2, Some(3)), (LEGACY, None)].into());
    world.settle(&[&romeo, &juliet]);
    let chains = wait(romeo.client.sending_chains(juliet.address())).unwrap();
    assert_eq!(chains[&OMEMO_2], Some(0), "she has answered");
}

/// Each has the other's session then, and nothing can be read any more, elsewhere.
#[test]
fn both_sides_opening_at_once_converge_and_lose_nothing_in_both_protocols() {
    for namespace in [OMEMO_2, LEGACY] {
        let world = World::default();
        let romeo = world.device(ROMEO, "phone");
        let juliet = world.device(JULIET, "phone");
        let spoken = std::slice::from_ref(&namespace);
        drop((romeo.arrived(), juliet.arrived()));
        for n in 0..3 {
            romeo.send(&juliet.jid, &format!("his {n}"), spoken);
            juliet.send(&romeo.jid, &format!("hers {n}"), spoken);
        }
        assert_eq!(juliet.texts(), ["his 0", "his 1", "his 2"]);
        assert_eq!(romeo.texts(), ["hers 0", "hers 1", "hers 2"]);
        world.settle(&[&romeo, &juliet]);
        for n in 0..4 {
            romeo.send(&juliet.jid, &format!("his {n}"), spoken);
            assert_eq!(juliet.texts(), [format!("his {n}")]);
            juliet.send(&romeo.jid, &format!("hers {n}"), spoken);
            assert_eq!(romeo.texts(), [format!("hers {n}")]);
        }
        let before = world.server.seen().key_exchanges;
        romeo.send(&juliet.jid, "no key exchange", spoken);
        juliet.send(&romeo.jid, "none", spoken);
        assert_eq!(world.server.seen().key_exchanges, before, "they have converged");
    }
}

/// Only the last messages of a session that this device has never read are left: none of them can be read, and a new one is
/// opened.
#[test]
fn a_session_whose_beginning_is_too_far_back_is_replaced() {
    for namespace in [OMEMO_2, LEGACY] {
        let world = World::default();
        let mut limited = settings(ROMEO, both());
        limited.limits.skipped_keys.per_message = 5;
        let romeo = world.open(limited, "phone", Default::default(), |builder| builder);
        let juliet = world.device(JULIET, "phone");
        let spoken = std::slice::from_ref(&namespace);
        drop((romeo.arrived(), juliet.arrived()));
        for n in 0..8 {
            juliet.send(&romeo.jid, &n.to_string(), spoken);
        }
        let last = romeo.arrived().pop().unwrap();
        let failed = romeo.decrypt(last).unwrap_err();
        let Error::Decrypt(DecryptFailure::TooManySkippedMessageKeys { skipped, .. }) = failed else {
            panic!("{failed}")
        };
        assert_eq!(skipped, 7);
        romeo.flush();
        drop(juliet.receive());
        juliet.send(&romeo.jid, "readable", spoken);
        assert_eq!(romeo.texts(), ["readable"]);
    }
}

/// Whether each message that has arrived has opened a session.
fn new_sessions(at: &Device) -> Vec<bool> {
    let outcomes = at.receive().into_iter();
    outcomes
        .map(|outcome| outcome.unwrap().received().unwrap().new_session)
        .collect()
}

#[test]
fn a_session_that_takes_the_place_of_another_is_new_too() {
    for namespace in [OMEMO_2, LEGACY] {
        let world = World::default();
        let romeo = world.device(ROMEO, "phone");
        let juliet = world.device(JULIET, "phone");
        let spoken = std::slice::from_ref(&namespace);
        drop((romeo.arrived(), juliet.arrived()));
        // Both open one at once, and tell of it until they are answered.
        for _ in 0..2 {
            romeo.send(&juliet.jid, "his", spoken);
            juliet.send(&romeo.jid, "hers", spoken);
        }
        let late = IncomingMessage {
            sender: romeo.jid.clone(),
            message: romeo.encrypt(&juliet.jid, "late", spoken).messages.remove(0),
        };
        assert_eq!(new_sessions(&juliet), [true, false]);
        assert_eq!(new_sessions(&romeo), [true, false]);
        world.settle(&[&romeo, &juliet]);
        wait(romeo.client.replace_sessions(juliet.address())).unwrap();
        romeo.flush();
        assert_eq!(new_sessions(&juliet), [true]);
        // What told of the one before is read in the archive.
        let late = juliet.decrypt(late).unwrap().received().unwrap();
        assert!(!late.new_session);
    }
}
