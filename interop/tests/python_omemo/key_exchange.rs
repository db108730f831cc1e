//! Key exchanges: repeated until answered, queued while catching up, and replaced.

use std::sync::Arc;

use omemo::{DeviceAddress, Protocol};
use omemo_interop::Device;

use crate::{Stage, in_each_protocol, is_key_exchange};

in_each_protocol!(
    repeated_by_us_until_answered,
    repeated_by_them_until_answered,
    queued_while_they_catch_up,
    queued_while_we_catch_up,
    replaced_by_them,
    replaced_by_us,
);

const OPENINGS: usize = 5;

fn repeated_by_us_until_answered(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::speaking("key exchanges repeated by us", vec![protocol], 7);
    let (romeo, juliet) = (stage.ours("phone"), stage.theirs("balcony"));
    // python-omemo answers each.
    assert_eq!(repeat(&mut stage, &*romeo, &*juliet), OPENINGS);
}

fn repeated_by_them_until_answered(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::speaking("key exchanges repeated by them", vec![protocol], 7);
    let (juliet, romeo) = (stage.theirs("balcony"), stage.ours("phone"));
    // We answer the first.
    assert_eq!(repeat(&mut stage, &*juliet, &*romeo), 1);
}

/// Several messages before any answer, out of order and each twice; returns how many empty messages answer them.
fn repeat(stage: &mut Stage, active: &dyn Device, passive: &dyn Device) -> usize {
    let server = stage.world.server().clone();
    server.hold_empty_messages();
    for number in 0..OPENINGS {
        let opening = stage
            .world
            .send(active, &passive.address().jid, &format!("opening {number}"));
        assert!(is_key_exchange(&opening, passive));
        server.repeat(&opening, passive.address());
    }
    server.shuffle(passive.address());
    assert_eq!(stage.world.receive(passive).len(), OPENINGS);
    let answers = stage.empty_messages().len();
    // Read is not answered: what the passive side says has not arrived yet.
    assert!(is_key_exchange(&stage.say(active, passive, "Hello?"), passive));

    server.release_empty_messages();
    stage.world.settle();
    assert!(!is_key_exchange(
        &stage.say(active, passive, "There you are"),
        passive
    ));
    stage.converse(passive, active);
    answers
}

fn queued_while_they_catch_up(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::speaking("they catch up", vec![protocol], 0);
    let (romeo, juliet) = (stage.ours("phone"), stage.theirs("balcony"));
    juliet.must("before_history_sync", serde_json::json!({}));
    for text in ["one", "two", "three"] {
        assert!(is_key_exchange(&stage.say(&*romeo, &*juliet, text), &*juliet));
    }
    assert_eq!(stage.empty_messages().len(), 0);
    juliet.must("after_history_sync", serde_json::json!({}));
    assert_eq!(stage.empty_messages().len(), 1);
    stage.world.settle();
    assert!(!is_key_exchange(&stage.say(&*romeo, &*juliet, "four"), &*juliet));
    stage.converse(&*juliet, &*romeo);
}

fn queued_while_we_catch_up(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::speaking("we catch up", vec![protocol], 0);
    let (juliet, romeo) = (stage.theirs("balcony"), stage.ours("phone"));
    let catch_up = romeo.with(|client| client.begin_catch_up()).unwrap();
    for text in ["one", "two", "three"] {
        assert!(is_key_exchange(&stage.say(&*juliet, &*romeo, text), &*romeo));
    }
    assert_eq!(stage.empty_messages().len(), 0);
    romeo.with(|client| client.end_catch_up(&catch_up)).unwrap();
    romeo.flush();
    assert_eq!(stage.empty_messages().len(), 1);
    stage.world.settle();
    assert!(!is_key_exchange(&stage.say(&*juliet, &*romeo, "four"), &*romeo));
    stage.converse(&*romeo, &*juliet);
}

fn replaced_by_us(protocol: Arc<dyn Protocol>) {
    let namespace = protocol.namespace();
    let mut stage = Stage::speaking("we replace the session", vec![protocol], 0);
    let (romeo, juliet) = (stage.ours("phone"), stage.theirs("balcony"));
    stage.converse(&*romeo, &*juliet);
    for _ in 0..3 {
        // In the old session, and read after it was replaced.
        let late = stage.world.send(&*juliet, &romeo.address().jid, "late");
        assert!(!is_key_exchange(&late, &*romeo));
        let before = stage.empty_messages().len();
        let with = DeviceAddress {
            jid: juliet.address().jid.clone(),
            device: juliet.id(),
        };
        let replaced = romeo.with(|client| client.replace_sessions(with)).unwrap();
        assert!(
            replaced.len() == 1 && replaced[&namespace].is_ok(),
            "{replaced:?}"
        );
        romeo.flush();
        let announcement = stage.empty_messages()[before].clone();
        assert!(is_key_exchange(&announcement, &*juliet));
        assert_eq!(stage.world.receive(&*romeo), ["late"]);
        // They take the new session over, and their answer to it brings us back to it.
        stage.world.settle();
        assert!(juliet.sending_chain_length(&namespace, &*romeo) <= 1);
        stage.converse(&*romeo, &*juliet);
        assert_eq!(stage.say(&*romeo, &*juliet, "Speak").key_exchanges(), 0);
    }
}

fn replaced_by_them(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::speaking("they replace the session", vec![protocol], 0);
    let (romeo, juliet) = (stage.ours("phone"), stage.theirs("balcony"));
    stage.converse(&*romeo, &*juliet);
    for _ in 0..3 {
        // Still in the old session, and read after the new one was opened.
        let late = stage.world.send(&*juliet, &romeo.address().jid, "late");
        let before = stage.empty_messages().len();
        juliet.replace_session(&*romeo);
        let announcement = stage.empty_messages()[before].clone();
        assert!(is_key_exchange(&announcement, &*romeo));
        stage.world.server().defer(romeo.address());
        assert_eq!(stage.world.deliver(&*romeo).unwrap().text(), None);
        assert_eq!(stage.world.deliver(&*romeo).unwrap().text(), Some("late"));
        assert_eq!(late.key_exchanges(), 0);
        // That text has brought the old session back here, which python-omemo has forgotten: it must speak first.
        stage.say(&*juliet, &*romeo, "Speak");
        stage.converse(&*romeo, &*juliet);
    }
}
