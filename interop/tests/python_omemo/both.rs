//! Both protocols over one identity, on both sides: each device is written to in the one that its writer likes best of
//! those that both know.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use omemo::{DeviceAddress, DeviceId, Legacy, Namespace, Omemo2};
use omemo_interop::{Device, Message, Ours, Theirs};
use omemo_storage_memory::MemoryStorage;
use serde_json::json;

use crate::{JULIET, Protocols, ROMEO, Stage, is_key_exchange, jid};

pub(crate) fn omemo_2_first() -> Protocols {
    vec![Arc::new(Omemo2), Arc::new(Legacy)]
}

pub(crate) fn legacy_first() -> Protocols {
    vec![Arc::new(Legacy), Arc::new(Omemo2)]
}

/// Which devices are written to in which protocol.
fn written_to(messages: &[Arc<Message>]) -> BTreeMap<Namespace, BTreeSet<DeviceId>> {
    let devices = |message: &Arc<Message>| message.keys.iter().map(|key| key.device).collect();
    messages
        .iter()
        .map(|message| (message.namespace.clone(), devices(message)))
        .collect()
}

fn ids<const N: usize>(devices: [&dyn Device; N]) -> BTreeSet<DeviceId> {
    devices.into_iter().map(Device::id).collect()
}

#[test]
fn each_device_is_written_to_in_the_best_protocol_it_knows() {
    let mut stage = Stage::speaking("the best that both know", omemo_2_first(), 0);
    let phone = stage.ours("phone");
    let laptop = stage.ours_speaking("laptop", vec![Arc::new(Legacy)], MemoryStorage::new());
    let balcony = stage.theirs("balcony");
    let kitchen = stage.theirs_speaking("kitchen", &vec![Arc::new(Legacy)]);
    let chamber = stage.theirs_speaking("chamber", &vec![Arc::new(Omemo2)]);
    stage.world.settle();
    for round in 0..3 {
        let text = format!("from the phone, {round}");
        let messages = stage.world.send_all(&*phone, &jid(JULIET), &text);
        let expected = [
            (Namespace::OMEMO_2, ids([&*balcony, &*chamber])),
            (Namespace::LEGACY, ids([&*laptop, &*kitchen])),
        ];
        assert_eq!(written_to(&messages), expected.into());
        stage.world.settle();

        let text = format!("from the balcony, {round}");
        let messages = stage.world.send_all(&*balcony, &jid(ROMEO), &text);
        let expected = [
            (Namespace::OMEMO_2, ids([&*phone, &*chamber])),
            (Namespace::LEGACY, ids([&*laptop, &*kitchen])),
        ];
        assert_eq!(written_to(&messages), expected.into());
        stage.world.settle();

        // Those that speak one protocol do not even know of devices that speak the other.
        let message = stage
            .world
            .send(&*kitchen, &jid(ROMEO), &format!("from the kitchen, {round}"));
        let expected = ids([&*phone, &*laptop, &*balcony]);
        assert_eq!(written_to(&[message]), [(Namespace::LEGACY, expected)].into());
        stage.world.settle();
        let message = stage
            .world
            .send(&*laptop, &jid(JULIET), &format!("from the laptop, {round}"));
        let expected = ids([&*phone, &*balcony, &*kitchen]);
        assert_eq!(written_to(&[message]), [(Namespace::LEGACY, expected)].into());
        stage.world.settle();
    }
    stage.world.assert_all_read();
    one_device_in_both_protocols(&phone, &balcony);
}

/// What each side knows of the other: one device with one identity key, and both protocols.
fn one_device_in_both_protocols(romeo: &Ours<MemoryStorage>, juliet: &Theirs) {
    let devices = romeo.devices(&jid(JULIET));
    let known: Vec<_> = devices
        .iter()
        .filter(|known| known.device == juliet.id())
        .collect();
    let identity_key = known[0].identity_key.unwrap();
    assert_eq!(
        (known.len(), identity_key.curve25519().as_bytes()),
        (1, &juliet.identity_key())
    );
    let both = [Namespace::OMEMO_2, Namespace::LEGACY];
    assert_eq!(
        known[0].protocols,
        both.clone().map(|namespace| (namespace, true)).into()
    );

    let devices = juliet.devices(&jid(ROMEO));
    let known: Vec<_> = devices.iter().filter(|known| known.id == romeo.id()).collect();
    let identity_key = known[0].identity_key;
    assert_eq!(
        (known.len(), identity_key.curve25519().as_bytes()),
        (1, &romeo.identity_key())
    );
    assert_eq!(
        known[0].active,
        both.map(|namespace| namespace.to_string()).into()
    );
}

/// Each side writes in the protocol that it likes best, so that either protocol is a monologue, but for what is owed.
fn cross(stage: &mut Stage) -> (Rc<Ours<MemoryStorage>>, Rc<Theirs>) {
    let romeo = stage.ours_speaking("phone", omemo_2_first(), MemoryStorage::new());
    let juliet = stage.theirs_speaking("balcony", &legacy_first());
    stage.world.settle();
    (romeo, juliet)
}

fn talk(stage: &mut Stage, romeo: &Ours<MemoryStorage>, juliet: &Theirs, turns: usize) {
    for turn in 0..turns {
        let ours = stage.say(romeo, juliet, &format!("ours, {turn}"));
        let theirs = stage.say(juliet, romeo, &format!("theirs, {turn}"));
        assert_eq!(
            (&ours.namespace, &theirs.namespace),
            (&Namespace::OMEMO_2, &Namespace::LEGACY)
        );
    }
    stage.world.settle();
    stage.world.assert_all_read();
}

#[test]
fn each_side_in_the_protocol_it_likes_best() {
    let mut stage = Stage::speaking("each in its own", omemo_2_first(), 0);
    let (romeo, juliet) = cross(&mut stage);
    talk(&mut stage, &romeo, &juliet, 60);
    // Two answers to key exchanges, two heartbeats.
    assert_eq!(stage.empty_messages().len(), 4);
    one_device_in_both_protocols(&romeo, &juliet);
}

#[test]
fn both_open_a_session_at_once_in_different_protocols() {
    let mut stage = Stage::speaking("simultaneous, in different protocols", omemo_2_first(), 0);
    let (romeo, juliet) = cross(&mut stage);
    for number in 0..3 {
        let ours = stage
            .world
            .send(&*romeo, &jid(JULIET), &format!("ours, {number}"));
        let theirs = stage
            .world
            .send(&*juliet, &jid(ROMEO), &format!("theirs, {number}"));
        assert!(is_key_exchange(&ours, &*juliet) && is_key_exchange(&theirs, &*romeo));
    }
    stage.world.settle();
    stage.world.assert_all_read();
    talk(&mut stage, &romeo, &juliet, 3);
}

#[test]
fn they_replace_the_sessions_of_both_protocols() {
    let mut stage = Stage::speaking("they replace both sessions", omemo_2_first(), 0);
    let (romeo, juliet) = cross(&mut stage);
    talk(&mut stage, &romeo, &juliet, 2);
    for _ in 0..3 {
        let before = stage.empty_messages().len();
        juliet.replace_session(&*romeo);
        let announcements = stage.empty_messages().split_off(before);
        assert!(
            announcements
                .iter()
                .all(|message| is_key_exchange(message, &*romeo))
        );
        let namespaces: BTreeSet<_> = announcements
            .iter()
            .map(|message| message.namespace.clone())
            .collect();
        assert_eq!(namespaces, [Namespace::OMEMO_2, Namespace::LEGACY].into());
        stage.world.settle();
        talk(&mut stage, &romeo, &juliet, 2);
    }
}

#[test]
fn we_replace_the_sessions_of_both_protocols() {
    let mut stage = Stage::speaking("we replace both sessions", omemo_2_first(), 0);
    let (romeo, juliet) = cross(&mut stage);
    talk(&mut stage, &romeo, &juliet, 2);
    for _ in 0..3 {
        let before = stage.empty_messages().len();
        let with = DeviceAddress {
            jid: juliet.address().jid.clone(),
            device: juliet.id(),
        };
        let replaced = romeo.with(|client| client.replace_sessions(with)).unwrap();
        assert!(replaced.values().all(Result::is_ok), "{replaced:?}");
        romeo.flush();
        let announcements = stage.empty_messages().split_off(before);
        assert!(
            announcements
                .iter()
                .all(|message| is_key_exchange(message, &*juliet))
        );
        let namespaces: BTreeSet<_> = announcements
            .iter()
            .map(|message| message.namespace.clone())
            .collect();
        assert_eq!(namespaces, [Namespace::OMEMO_2, Namespace::LEGACY].into());
        stage.world.settle();
        talk(&mut stage, &romeo, &juliet, 2);
    }
}

#[test]
fn both_sides_catch_up_in_both_protocols() {
    let mut stage = Stage::speaking("both catch up", omemo_2_first(), 0);
    let (romeo, juliet) = cross(&mut stage);
    juliet.must("before_history_sync", json!({}));
    let catch_up = romeo.with(|client| client.begin_catch_up()).unwrap();
    for turn in 0..3 {
        let ours = stage.say(&*romeo, &*juliet, &format!("ours, {turn}"));
        let theirs = stage.say(&*juliet, &*romeo, &format!("theirs, {turn}"));
        assert!(is_key_exchange(&ours, &*juliet) && is_key_exchange(&theirs, &*romeo));
    }
    assert_eq!(stage.empty_messages().len(), 0);
    juliet.must("after_history_sync", json!({}));
    romeo.with(|client| client.end_catch_up(&catch_up)).unwrap();
    romeo.flush();
    // One for each session.
    let answers = stage.empty_messages();
    let namespaces: Vec<_> = answers.iter().map(|message| message.namespace.clone()).collect();
    assert_eq!(namespaces, [Namespace::OMEMO_2, Namespace::LEGACY]);
    stage.world.settle();
    let ours = stage.say(&*romeo, &*juliet, "ours");
    let theirs = stage.say(&*juliet, &*romeo, "theirs");
    assert!(!is_key_exchange(&ours, &*juliet) && !is_key_exchange(&theirs, &*romeo));
    talk(&mut stage, &romeo, &juliet, 3);
}
