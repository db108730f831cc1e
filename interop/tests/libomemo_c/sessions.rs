//! Several sessions with one device: opened by both sides at once, and replaced. Both libraries keep the ones that were
//! replaced, so nothing is lost in either direction.

use std::sync::Arc;

use omemo::Protocol;
use omemo_interop::{Device, LibomemoDevice, Ours};
use omemo_storage_memory::MemoryStorage;

use crate::{JULIET, ROMEO, Stage, in_each_protocol, is_key_exchange, jid};

in_each_protocol!(
    opened_by_both_at_once,
    opened_by_both_at_once_in_any_order,
    answered_in_a_session_they_have_archived,
    written_in_a_session_we_have_archived,
    replaced_again_and_again,
);

/// Both have sent, nothing has arrived.
fn open_both(stage: &mut Stage, romeo: &Ours<MemoryStorage>, juliet: &LibomemoDevice) {
    for number in 0..2 {
        let ours = stage
            .world
            .send(romeo, &jid(JULIET), &format!("ours, number {number}"));
        let theirs = stage
            .world
            .send(juliet, &jid(ROMEO), &format!("theirs, number {number}"));
        assert!(is_key_exchange(&ours, juliet) && is_key_exchange(&theirs, romeo));
    }
}

fn opened_by_both_at_once(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::new("simultaneous", protocol, 0);
    let (romeo, juliet) = stage.pair();
    open_both(&mut stage, &romeo, &juliet);
    assert_eq!(
        stage.world.receive(&*romeo),
        ["theirs, number 0", "theirs, number 1"]
    );
    assert_eq!(
        stage.world.receive(&*juliet),
        ["ours, number 0", "ours, number 1"]
    );
    agree(&mut stage, &romeo, &juliet);
}

fn opened_by_both_at_once_in_any_order(protocol: Arc<dyn Protocol>) {
    for seed in 1..=12 {
        let mut stage = Stage::new("simultaneous, in any order", Arc::clone(&protocol), seed);
        let (romeo, juliet) = stage.pair();
        open_both(&mut stage, &romeo, &juliet);
        let server = stage.world.server().clone();
        for line in 0..4 {
            server.shuffle(romeo.address());
            server.shuffle(juliet.address());
            stage.world.deliver(&*romeo);
            stage.world.deliver(&*juliet);
            stage
                .world
                .send(&*juliet, &jid(ROMEO), &format!("theirs, line {line}"));
            stage
                .world
                .send(&*romeo, &jid(JULIET), &format!("ours, line {line}"));
        }
        stage.world.settle();
        stage.world.assert_all_read();
        agree(&mut stage, &romeo, &juliet);
    }
}

/// They open a second session and write in it, while we still write in the first.
fn answered_in_a_session_they_have_archived(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::new("sessions archived on their side", protocol, 0);
    let (romeo, juliet) = stage.pair();
    stage.converse(&*romeo, &*juliet);
    for round in 0..4 {
        juliet.open_session(&stage.namespace(), &*romeo);
        let opening = stage.world.send(&*juliet, &jid(ROMEO), "in the new session");
        assert!(is_key_exchange(&opening, &*romeo));
        for number in 0..3 {
            let text = format!("in the old session, {round} {number}");
            let message = stage.say(&*romeo, &*juliet, &text);
            assert!(!is_key_exchange(&message, &*juliet));
        }
        // Reading that has brought the old one back on their side.
        let answer = stage.world.send(&*juliet, &jid(ROMEO), "in the old one again");
        assert!(!is_key_exchange(&answer, &*romeo));
        assert_eq!(
            stage.world.receive(&*romeo),
            ["in the new session", "in the old one again"]
        );
        agree(&mut stage, &romeo, &juliet);
    }
}

/// They replace the session, and what they wrote in the old one arrives after it.
fn written_in_a_session_we_have_archived(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::new("sessions archived on our side", protocol, 0);
    let (romeo, juliet) = stage.pair();
    stage.converse(&*romeo, &*juliet);
    let server = stage.world.server().clone();
    for round in 0..4 {
        let late = stage.world.send(&*juliet, &jid(ROMEO), &format!("late {round}"));
        assert!(!is_key_exchange(&late, &*romeo));
        juliet.open_session(&stage.namespace(), &*romeo);
        let opening = stage.world.send(&*juliet, &jid(ROMEO), &format!("new {round}"));
        assert!(is_key_exchange(&opening, &*romeo));
        server.defer(romeo.address());
        assert_eq!(
            stage.world.receive(&*romeo),
            [format!("new {round}"), format!("late {round}")]
        );
        agree(&mut stage, &romeo, &juliet);
    }
}

/// Three sessions in a row before any of them is heard of; what was written in each arrives in any order.
fn replaced_again_and_again(protocol: Arc<dyn Protocol>) {
    for seed in 1..=6 {
        let mut stage = Stage::new("replaced again and again", Arc::clone(&protocol), seed);
        let (romeo, juliet) = stage.pair();
        stage.converse(&*juliet, &*romeo);
        for session in 0..3 {
            for number in 0..2 {
                let text = format!("session {session}, number {number}");
                stage.world.send(&*juliet, &jid(ROMEO), &text);
            }
            stage.world.send(&*romeo, &jid(JULIET), "meanwhile");
            juliet.open_session(&stage.namespace(), &*romeo);
        }
        stage.world.server().shuffle(romeo.address());
        assert_eq!(stage.world.receive(&*romeo).len(), 6);
        stage.world.server().shuffle(juliet.address());
        assert_eq!(stage.world.receive(&*juliet).len(), 3);
        agree(&mut stage, &romeo, &juliet);
    }
}

/// From now on both write in one session, and nothing may be lost on either side.
fn agree(stage: &mut Stage, romeo: &Ours<MemoryStorage>, juliet: &LibomemoDevice) {
    stage.world.settle();
    for turn in 0..2 {
        stage.say(romeo, juliet, &format!("ours, turn {turn}"));
        stage.say(juliet, romeo, &format!("theirs, turn {turn}"));
        stage.world.settle();
    }
    for number in 0..3 {
        let ours = stage
            .world
            .send(romeo, &jid(JULIET), &format!("ours, crossing {number}"));
        let theirs = stage
            .world
            .send(juliet, &jid(ROMEO), &format!("theirs, crossing {number}"));
        assert!(!is_key_exchange(&ours, juliet) && !is_key_exchange(&theirs, romeo));
    }
    assert_eq!(stage.world.receive(romeo).len(), 3);
    assert_eq!(stage.world.receive(juliet).len(), 3);
    stage.world.assert_all_read();
}
