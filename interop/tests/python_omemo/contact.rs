//! The first contact, from either side. What the passive side sends is where implementations differ: the identity keys
//! stand in the associated data in the order of the key exchange, in both directions.

use std::sync::Arc;

use omemo::{Omemo2, Protocol};
use omemo_interop::Device;

use crate::{Stage, in_each_protocol, is_key_exchange, namespaces};

in_each_protocol!(from_our_side, from_their_side, answered_by_an_empty_message);

fn from_our_side(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::speaking("first contact from our side", vec![protocol], 0);
    let romeo = stage.ours("phone");
    let juliet = stage.theirs("balcony");
    talk(&mut stage, &*romeo, &*juliet);
}

fn from_their_side(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::speaking("first contact from their side", vec![protocol], 0);
    let juliet = stage.theirs("balcony");
    let romeo = stage.ours("phone");
    talk(&mut stage, &*juliet, &*romeo);
}

/// Without the empty messages, so that the first answer of the passive side is a text; then with them.
fn talk(stage: &mut Stage, active: &dyn Device, passive: &dyn Device) {
    stage.world.server().hold_empty_messages();
    let opening = stage.say(active, passive, "But, soft!");
    assert!(is_key_exchange(&opening, passive));
    let answer = stage.say(passive, active, "Ay me!");
    assert!(!is_key_exchange(&answer, active));
    let next = stage.say(active, passive, "She speaks");
    assert!(!is_key_exchange(&next, passive));

    assert_eq!(stage.world.server().release_empty_messages(), 1);
    stage.converse(active, passive);
    stage.converse(passive, active);
    // In legacy OMEMO a message without text is one without payload.
    if namespaces(&stage.protocols) == [Omemo2.namespace()] {
        stage.say(active, passive, "");
        stage.say(passive, active, "");
    }
    for text in [
        "Capulet & <Montague>\r\n\u{0}",
        "Où est Roméo ? 🌹 Ромео",
        &"O! ".repeat(20_000),
    ] {
        stage.say(active, passive, text);
        stage.say(passive, active, text);
    }
    stage.world.settle();
    stage.world.assert_all_read();
}

fn answered_by_an_empty_message(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::speaking("first contacts answered by empty messages", vec![protocol], 0);
    let romeo = stage.ours("phone");
    let juliet = stage.theirs("balcony");
    let nurse = stage.theirs("kitchen");
    stage.world.settle();
    stage.say(&*nurse, &*romeo, "Hie you to church");
    stage.world.settle();
    assert!(!is_key_exchange(
        &stage.say(&*nurse, &*romeo, "Hie you!"),
        &*romeo
    ));
    stage.say(&*romeo, &*juliet, "Hie to high fortune!");
    stage.world.settle();
    assert!(!is_key_exchange(
        &stage.say(&*romeo, &*juliet, "Farewell"),
        &*juliet
    ));
    stage.converse(&*juliet, &*romeo);
    stage.converse(&*nurse, &*romeo);
}
