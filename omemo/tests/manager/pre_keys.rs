//! What becomes of pre keys that were used.

use std::sync::Arc;

use omemo::{BareJid, DecryptFailure, Error, IncomingMessage, PreKeyPolicy, Settings, UsedPreKey};

use super::world::{Device, OMEMO_2, ROMEO, World, both, settings, text};

/// The same for every key.
#[derive(Debug)]
struct Always(UsedPreKey);

impl PreKeyPolicy for Always {
    fn used(&self, _: &BareJid, _: bool) -> UsedPreKey {
        self.0
    }
}

/// Romeo, whose published bundle has one pre key left, and what two people have written to him with it.
fn one_pre_key_for_two(world: &World, used: UsedPreKey) -> (Device, [IncomingMessage; 2]) {
    let settings = Settings {
        pre_key_policy: Arc::new(Always(used)),
        ..settings(ROMEO, both())
    };
    let romeo = world.open(settings, "phone", Arc::default(), |builder| builder);
    let id = romeo.client.device();
    let mut bundle = world.server.bundle(&romeo.jid, &OMEMO_2, id).unwrap();
    bundle.pre_keys = bundle.pre_keys.pop_last().into_iter().collect();
    world.server.publish_bundle(&romeo.jid, &OMEMO_2, id, bundle);
    let messages = ["juliet@capulet.lit", "nurse@capulet.lit"].map(|of| {
        let sender = world.device(of, "phone");
        let mut messages = sender.encrypt(&romeo.jid, of, &[OMEMO_2]).messages;
        IncomingMessage {
            sender: sender.jid,
            message: messages.remove(0),
        }
    });
    romeo.arrived();
    (romeo, messages)
}

#[test]
fn a_pre_key_is_kept_if_the_application_wants_so() {
    let world = World::default();
    let (romeo, messages) = one_pre_key_for_two(&world, UsedPreKey::Keep);
    for message in messages {
        let catch_up = omemo::blocking::wait(romeo.client.begin_catch_up()).unwrap();
        let decrypted = romeo.decrypt(message.clone()).unwrap();
        assert_eq!(text(&decrypted).unwrap(), message.sender.as_str());
        // It outlives catch-ups, and is offered to nobody.
        omemo::blocking::wait(romeo.client.end_catch_up(&catch_up)).unwrap();
        romeo.flush();
        let offered = world.server.bundle(&romeo.jid, &OMEMO_2, romeo.client.device());
        assert!(offered.unwrap().pre_keys.keys().all(|id| id.get() != 100));
    }
}

#[test]
fn a_pre_key_is_deleted_even_during_a_catch_up_if_the_application_wants_so() {
    let world = World::default();
    let (romeo, [first, second]) = one_pre_key_for_two(&world, UsedPreKey::Delete);
    drop(omemo::blocking::wait(romeo.client.begin_catch_up()).unwrap());
    assert!(text(&romeo.decrypt(first).unwrap()).is_some());
    let error = romeo.decrypt(second).unwrap_err();
    assert!(
        matches!(error, Error::Decrypt(DecryptFailure::PreKeyGone(_))),
        "{error}"
    );
}

#[test]
fn the_pool_is_filled_up_when_no_more_than_the_threshold_is_left() {
    let world = World::default();
    let settings = Settings {
        pre_key_threshold: 98,
        ..settings(ROMEO, both())
    };
    let romeo = world.open(settings, "phone", Arc::default(), |builder| builder);
    let offered = || {
        let bundle = world.server.bundle(&romeo.jid, &OMEMO_2, romeo.client.device());
        bundle.unwrap().pre_keys.len()
    };
    assert_eq!(offered(), 100);
    for (of, left) in [("juliet@capulet.lit", 99), ("nurse@capulet.lit", 100)] {
        let sender = world.device(of, "phone");
        sender.send(&romeo.jid, "hello", &[OMEMO_2]);
        assert_eq!(romeo.texts(), ["hello"]);
        romeo.flush();
        assert_eq!(offered(), left);
    }
}

#[test]
fn a_pre_key_that_was_hidden_is_good_until_the_catch_up_ends() {
    let world = World::default();
    let (romeo, [first, second]) = one_pre_key_for_two(&world, UsedPreKey::Hide);
    let catch_up = omemo::blocking::wait(romeo.client.begin_catch_up()).unwrap();
    assert!(text(&romeo.decrypt(first).unwrap()).is_some());
    omemo::blocking::wait(romeo.client.end_catch_up(&catch_up)).unwrap();
    assert!(matches!(
        romeo.decrypt(second),
        Err(Error::Decrypt(DecryptFailure::PreKeyGone(_)))
    ));
}
