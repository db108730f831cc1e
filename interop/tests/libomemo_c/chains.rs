//! Where chains end: libomemo-c announces the length of its previous chain one too low.

use std::sync::Arc;

use omemo::Protocol;
use omemo_interop::{Device, LibomemoDevice, Message, Ours};
use omemo_storage_memory::MemoryStorage;

use crate::{ROMEO, Stage, in_each_protocol, jid};

in_each_protocol!(
    the_last_of_a_chain_arrives_late,
    the_last_two_of_a_chain_arrive_late,
    all_but_the_first_of_a_chain_arrive_late,
    the_last_of_many_chains_arrive_very_late,
    the_last_of_the_very_first_chain_arrives_very_late,
    the_last_of_our_chain_arrives_late,
);

/// The length of the previous chain, as a message of theirs announces it.
fn announced(stage: &Stage, message: &Message, to: &dyn Device) -> u32 {
    let key = message.key_for(&to.address().jid, to.id()).unwrap();
    let incoming = stage.protocol.parse(&key.data).unwrap();
    incoming.message.header().pn
}

/// They send a chain, we answer, and they begin the next, which arrives before the last `late` of the chain.
fn late(stage: &mut Stage, romeo: &Ours<MemoryStorage>, juliet: &LibomemoDevice, length: usize, late: usize) {
    let server = stage.world.server().clone();
    let mut texts: Vec<_> = (0..length)
        .map(|number| format!("{number} of {length}"))
        .collect();
    for text in &texts {
        stage.world.send(juliet, &jid(ROMEO), text);
    }
    for text in &texts[..length - late] {
        assert_eq!(stage.world.deliver(romeo).unwrap().text(), Some(&text[..]));
    }
    stage.say(romeo, juliet, "Go on");
    let next = stage.world.send(juliet, &jid(ROMEO), "the next chain");
    let quirk = u32::try_from(length).unwrap() - 1;
    assert_eq!(
        announced(stage, &next, romeo),
        quirk,
        "libomemo-c counts otherwise"
    );
    for _ in 0..late {
        server.defer(romeo.address());
    }
    let mut arrived = stage.world.receive(romeo);
    assert_eq!(arrived.remove(0), "the next chain");
    assert_eq!(arrived, texts.split_off(length - late));
}

fn the_last_of_a_chain_arrives_late(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::new("the last of a chain arrives late", protocol, 0);
    let (romeo, juliet) = stage.pair();
    stage.converse(&*romeo, &*juliet);
    for length in 2..6 {
        stage.say(&*romeo, &*juliet, "Speak");
        late(&mut stage, &romeo, &juliet, length, 1);
    }
    stage.converse(&*juliet, &*romeo);
}

fn the_last_two_of_a_chain_arrive_late(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::new("the last two of a chain arrive late", protocol, 0);
    let (romeo, juliet) = stage.pair();
    stage.converse(&*juliet, &*romeo);
    for length in 3..6 {
        stage.say(&*romeo, &*juliet, "Speak");
        late(&mut stage, &romeo, &juliet, length, 2);
    }
    stage.converse(&*romeo, &*juliet);
}

fn all_but_the_first_of_a_chain_arrive_late(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::new("all but the first of a chain arrive late", protocol, 0);
    let (romeo, juliet) = stage.pair();
    stage.converse(&*romeo, &*juliet);
    stage.say(&*romeo, &*juliet, "Speak");
    late(&mut stage, &romeo, &juliet, 20, 19);
    stage.converse(&*romeo, &*juliet);
}

/// They send chains of two messages of which the last is late, while we answer each time: the first of the next chain comes
/// before it. When all that is late arrives at last, it is read, each once.
fn very_late(stage: &mut Stage, romeo: &Ours<MemoryStorage>, juliet: &LibomemoDevice, chains: usize) {
    let server = stage.world.server().clone();
    let mut late = Vec::new();
    for chain in 0..chains {
        stage.say(romeo, juliet, "Speak");
        let first = format!("the first of chain {chain}");
        let message = stage.world.send(juliet, &jid(ROMEO), &first);
        assert!(
            chain == 0 || announced(stage, &message, romeo) == 1,
            "libomemo-c counts otherwise"
        );
        for _ in &late {
            server.defer(romeo.address());
        }
        assert_eq!(stage.world.deliver(romeo).unwrap().text(), Some(&first[..]));
        late.push(format!("the last of chain {chain}"));
        stage.world.send(juliet, &jid(ROMEO), late.last().unwrap());
    }
    stage.say(romeo, juliet, "Speak");
    stage.world.send(juliet, &jid(ROMEO), "the end");
    for _ in &late {
        server.defer(romeo.address());
    }
    assert_eq!(stage.world.deliver(romeo).unwrap().text(), Some("the end"));
    assert_eq!(stage.world.receive(romeo), late);
}

fn the_last_of_many_chains_arrive_very_late(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::new("the last of many chains arrive very late", protocol, 0);
    let (romeo, juliet) = stage.pair();
    stage.converse(&*juliet, &*romeo);
    for chains in [1, 2, 12] {
        very_late(&mut stage, &romeo, &juliet, chains);
    }
    stage.converse(&*romeo, &*juliet);
}

/// Nothing has shown yet how they count, and it shows in the chain after.
fn the_last_of_the_very_first_chain_arrives_very_late(protocol: Arc<dyn Protocol>) {
    for chains in 1..4 {
        let mut stage = Stage::new(
            "the last of the first chain arrives late",
            Arc::clone(&protocol),
            0,
        );
        let (romeo, juliet) = stage.pair();
        let server = stage.world.server().clone();
        stage.say(&*romeo, &*juliet, "Speak");
        stage.say(&*juliet, &*romeo, "first");
        stage.world.send(&*juliet, &jid(ROMEO), "last");
        for chain in 0..chains {
            stage.say(&*romeo, &*juliet, "Speak");
            let text = format!("chain {chain}");
            stage.world.send(&*juliet, &jid(ROMEO), &text);
            server.defer(romeo.address());
            assert_eq!(stage.world.deliver(&*romeo).unwrap().text(), Some(&text[..]));
        }
        assert_eq!(stage.world.deliver(&*romeo).unwrap().text(), Some("last"));
        stage.converse(&*romeo, &*juliet);
    }
}

fn the_last_of_our_chain_arrives_late(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::new("the last of our chain arrives late", protocol, 0);
    let (romeo, juliet) = stage.pair();
    stage.converse(&*romeo, &*juliet);
    let server = stage.world.server().clone();
    for length in 1..4 {
        stage.say(&*juliet, &*romeo, "Speak");
        for number in 0..length {
            stage
                .world
                .send(&*romeo, &juliet.address().jid, &format!("{number} of {length}"));
        }
        for _ in 1..length {
            stage.world.deliver(&*juliet).unwrap();
        }
        // Their answer moves our ratchet on.
        stage.world.send(&*juliet, &jid(ROMEO), "Go on");
        stage.world.receive(&*romeo);
        stage.world.send(&*romeo, &juliet.address().jid, "the next chain");
        server.defer(juliet.address());
        let last = format!("{} of {length}", length - 1);
        assert_eq!(stage.world.receive(&*juliet), ["the next chain", &last]);
    }
    stage.converse(&*romeo, &*juliet);
}
