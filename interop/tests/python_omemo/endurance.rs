//! Going on after a restart, and in a long monologue.

use std::path::Path;
use std::sync::Arc;

use omemo::Protocol;
use omemo::blocking::wait;
use omemo_interop::{Device, Ours, Outcome};
use omemo_storage_sqlite::SqliteStorage;

use crate::{JULIET, ROMEO, Stage, in_each_protocol, jid};

in_each_protocol!(their_monologue, our_monologue);

/// From which message of a chain on the ratchet is moved on by an empty message (XEP-0384, section 6): counter 53.
const HEARTBEAT: usize = 54;

#[test]
fn restarted_in_mid_conversation() {
    let mut stage = Stage::new("restarts", 0);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("phone.sqlite");
    let romeo = stage.ours_on("phone", wait(SqliteStorage::open(&path)).unwrap());
    let juliet = stage.theirs("balcony");
    stage.converse(&*romeo, &*juliet);
    let (device, identity_key) = (romeo.id(), romeo.identity_key());

    // The keys of messages that were skipped, and a chain of our own.
    let skipped = stage.world.send(&*juliet, &jid(ROMEO), "skipped");
    stage.world.send(&*juliet, &jid(ROMEO), "read before");
    stage.world.server().defer(romeo.address());
    assert_eq!(stage.world.deliver(&*romeo).unwrap().text(), Some("read before"));
    stage.world.send(&*romeo, &jid(JULIET), "sent before");
    restart(&romeo, &path);
    assert_eq!((romeo.id(), romeo.identity_key()), (device, identity_key));
    assert_eq!(stage.world.receive(&*romeo), ["skipped"]);
    stage.world.server().repeat(&skipped, romeo.address());
    assert_eq!(stage.world.deliver(&*romeo), Some(Outcome::AlreadyDecrypted));
    stage.world.send(&*romeo, &jid(JULIET), "sent after");
    assert_eq!(stage.world.receive(&*juliet), ["sent before", "sent after"]);

    // An answer that is owed.
    let nurse = stage.theirs("kitchen");
    stage.world.send(&*nurse, &jid(ROMEO), "Hie you!");
    let (opening, outcome) = stage.world.attempt(&*romeo).unwrap();
    assert_eq!(outcome, Outcome::Received(stage.world.expected(&opening)));
    let answers = stage.empty_messages().len();
    restart(&romeo, &path);
    assert_eq!(stage.empty_messages().len(), answers);
    romeo.flush();
    assert_eq!(stage.empty_messages().len(), answers + 1);
    stage.world.server().repeat(&opening, romeo.address());
    assert_eq!(stage.world.attempt(&*romeo).unwrap().1, Outcome::AlreadyDecrypted);

    juliet.restart();
    stage.world.settle();
    stage.say(&*nurse, &*romeo, "Good night");
    stage.say(&*romeo, &*juliet, "Sleep dwell upon thine eyes");
    stage.world.settle();
    wait(romeo.with(|client| client.storage().clone()).close());
}

fn restart(device: &Ours<SqliteStorage>, path: &Path) {
    device.restart(|storage| {
        wait(storage.close());
        wait(SqliteStorage::open(path)).unwrap()
    });
}

fn their_monologue(protocol: Arc<dyn Protocol>) {
    let namespace = protocol.namespace();
    let mut stage = Stage::speaking("their monologue", vec![protocol], 0);
    let (romeo, juliet) = (stage.ours("phone"), stage.theirs("balcony"));
    stage.converse(&*juliet, &*romeo);
    stage.say(&*romeo, &*juliet, "Speak again");
    assert_eq!(monologue(&mut stage, &*juliet, &*romeo), [HEARTBEAT]);
    // The empty message has moved their ratchet on: a new chain has begun since.
    assert_eq!(
        juliet.sending_chain_length(&namespace, &*romeo),
        60 - HEARTBEAT as u64
    );
    stage.converse(&*romeo, &*juliet);
}

fn our_monologue(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::speaking("our monologue", vec![protocol], 0);
    let (romeo, juliet) = (stage.ours("phone"), stage.theirs("balcony"));
    stage.converse(&*romeo, &*juliet);
    stage.say(&*juliet, &*romeo, "Speak again");
    assert_eq!(monologue(&mut stage, &*romeo, &*juliet), [HEARTBEAT]);
    stage.converse(&*juliet, &*romeo);
}

/// Sixty messages without a word in return; says after which of them the listener sent an empty message.
fn monologue(stage: &mut Stage, speaker: &dyn Device, listener: &dyn Device) -> Vec<usize> {
    let mut heartbeats = Vec::new();
    for number in 1..=60 {
        let before = stage.empty_messages().len();
        stage.say(speaker, listener, &format!("number {number}"));
        heartbeats.extend(vec![number; stage.empty_messages().len() - before]);
        assert_eq!(stage.world.receive(speaker), [""; 0]);
    }
    heartbeats
}
