//! Key exchanges: repeated until answered, queued while catching up, and replaced.

use omemo_interop::Device;

use crate::{Stage, is_key_exchange};

const OPENINGS: usize = 5;

#[test]
fn repeated_by_us_until_answered() {
    let mut stage = Stage::new("key exchanges repeated by us", 7);
    let (romeo, juliet) = (stage.ours("phone"), stage.theirs("balcony"));
    // python-omemo answers each.
    assert_eq!(repeat(&mut stage, &*romeo, &*juliet), OPENINGS);
}

#[test]
fn repeated_by_them_until_answered() {
    let mut stage = Stage::new("key exchanges repeated by them", 7);
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

#[test]
fn queued_while_they_catch_up() {
    let mut stage = Stage::new("they catch up", 0);
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

#[test]
fn queued_while_we_catch_up() {
    let mut stage = Stage::new("we catch up", 0);
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

#[test]
fn replaced_by_them() {
    let mut stage = Stage::new("they replace the session", 0);
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
