//! Both sides open a session before they have received anything.
//!
//! python-omemo keeps one session a device and replaces it by whatever key exchange arrives: both sides of a
//! simultaneous initiation drop their own session for the other's. We keep what was replaced, so nothing that
//! python-omemo sends is lost here. What we write in the session that python-omemo has dropped is lost there; as soon as
//! we have received something in the one it has kept, things go on in that one.

use std::rc::Rc;

use omemo_interop::{Device, Ours, Theirs};
use omemo_storage_memory::MemoryStorage;

use crate::{JULIET, Protocols, ROMEO, Stage, is_key_exchange, jid};

/// Makes tests of functions that take what both sides speak: one protocol, or both, of which they like the same best.
macro_rules! however_loaded {
    ($($test:ident),+ $(,)?) => {
        mod omemo_2 {
            $(#[test] fn $test() { super::$test(vec![std::sync::Arc::new(omemo::Omemo2)]) })+
        }
        mod legacy {
            $(#[test] fn $test() { super::$test(vec![std::sync::Arc::new(omemo::Legacy)]) })+
        }
        mod omemo_2_beside_legacy {
            $(#[test] fn $test() { super::$test(crate::both::omemo_2_first()) })+
        }
        mod legacy_beside_omemo_2 {
            $(#[test] fn $test() { super::$test(crate::both::legacy_first()) })+
        }
    };
}

however_loaded!(
    their_opening_arrives_before_their_answer,
    their_opening_arrives_after_their_answer,
    nothing_of_theirs_is_lost_in_any_order,
);

/// What python-omemo says of a message in a session that it has dropped.
const DROPPED: Option<&str> = Some("DecryptionFailed");

/// Both have sent, in the protocol that they like best; nothing has arrived.
fn begin(name: &str, protocols: Protocols, seed: u64) -> (Stage, Rc<Ours<MemoryStorage>>, Rc<Theirs>) {
    let best = protocols[0].namespace();
    let mut stage = Stage::speaking(name, protocols, seed);
    let (romeo, juliet) = (stage.ours("phone"), stage.theirs("balcony"));
    // The device lists.
    stage.world.settle();
    for number in 0..2 {
        let ours = stage
            .world
            .send(&*romeo, &jid(JULIET), &format!("ours, number {number}"));
        let theirs = stage
            .world
            .send(&*juliet, &jid(ROMEO), &format!("theirs, number {number}"));
        assert!(is_key_exchange(&ours, &*juliet) && is_key_exchange(&theirs, &*romeo));
        assert_eq!((&ours.namespace, &theirs.namespace), (&best, &best));
    }
    (stage, romeo, juliet)
}

fn their_opening_arrives_before_their_answer(protocols: Protocols) {
    let (mut stage, romeo, juliet) = begin("simultaneous, their opening first", protocols, 0);
    let opened = ["theirs, number 0", "theirs, number 1"];
    assert_eq!(stage.world.receive(&*romeo), opened);
    assert_eq!(
        stage.world.deliver(&*juliet).unwrap().text(),
        Some("ours, number 0")
    );
    assert_eq!(
        stage.world.deliver(&*juliet).unwrap().text(),
        Some("ours, number 1")
    );
    // Our answer to their opening is in the session that they have just dropped for ours.
    let (answer, outcome) = stage.world.attempt(&*juliet).unwrap();
    assert!(answer.empty && !is_key_exchange(&answer, &*juliet));
    assert_eq!(outcome.failure(), DROPPED, "{outcome:?}");

    // Their answers bring us back to the one they have kept.
    assert_eq!(stage.world.receive(&*romeo), [""; 0]);
    go_on(&mut stage, &romeo, &juliet);
}

fn their_opening_arrives_after_their_answer(protocols: Protocols) {
    let (mut stage, romeo, juliet) = begin("simultaneous, their answer first", protocols, 0);
    assert_eq!(
        stage.world.receive(&*juliet),
        ["ours, number 0", "ours, number 1"]
    );
    for _ in 0..2 {
        stage.world.server().defer(romeo.address());
    }
    let opened = ["theirs, number 0", "theirs, number 1"];
    assert_eq!(stage.world.receive(&*romeo), opened);
    // Nothing tells this late opening from a new one, so we answer and write in its session, which they have dropped.
    let (answer, outcome) = stage.world.attempt(&*juliet).unwrap();
    assert!(answer.empty);
    assert_eq!(outcome.failure(), DROPPED, "{outcome:?}");
    let ours = stage.world.send(&*romeo, &jid(JULIET), "lost on them");
    assert!(!is_key_exchange(&ours, &*juliet));
    let (_, outcome) = stage.world.attempt(&*juliet).unwrap();
    assert_eq!(outcome.failure(), DROPPED, "{outcome:?}");

    // They write in the one they have kept.
    stage.say(&*juliet, &*romeo, "I hear some noise within");
    go_on(&mut stage, &romeo, &juliet);
}

fn nothing_of_theirs_is_lost_in_any_order(protocols: Protocols) {
    for seed in 1..=8 {
        let (mut stage, romeo, juliet) = begin("simultaneous, in any order", protocols.clone(), seed);
        let mut arrived = Vec::new();
        for line in 0..3 {
            stage.world.attempt(&*juliet);
            stage
                .world
                .send(&*juliet, &jid(ROMEO), &format!("theirs, line {line}"));
            stage.world.server().shuffle(romeo.address());
            arrived.extend(stage.world.deliver(&*romeo));
        }
        while stage.world.attempt(&*juliet).is_some() {}
        stage.world.server().shuffle(romeo.address());
        arrived.extend(std::iter::from_fn(|| stage.world.deliver(&*romeo)));
        let texts = arrived.iter().filter_map(|outcome| outcome.text());
        assert_eq!(texts.count(), 5);

        while stage.world.attempt(&*juliet).is_some() {}
        stage.say(&*juliet, &*romeo, "I hear some noise within");
        go_on(&mut stage, &romeo, &juliet);
    }
}

/// From now on nothing may be lost on either side.
fn go_on(stage: &mut Stage, romeo: &Ours<MemoryStorage>, juliet: &Theirs) {
    for turn in 0..3 {
        stage.say(romeo, juliet, &format!("ours, turn {turn}"));
        stage.say(juliet, romeo, &format!("theirs, turn {turn}"));
        stage.world.settle();
    }
    for number in 0..5 {
        stage
            .world
            .send(romeo, &jid(JULIET), &format!("ours, crossing {number}"));
        stage
            .world
            .send(juliet, &jid(ROMEO), &format!("theirs, crossing {number}"));
    }
    assert_eq!(stage.world.receive(romeo).len(), 5);
    assert_eq!(stage.world.receive(juliet).len(), 5);
}
