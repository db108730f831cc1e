//! The first contact, from either side. libomemo-c sends no empty messages of its own accord.

use std::sync::Arc;

use omemo::{Namespace, Protocol};
use omemo_interop::Device;

use crate::{Stage, in_each_protocol, is_key_exchange};

in_each_protocol!(from_our_side, from_their_side, with_empty_messages_of_theirs);

fn from_our_side(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::new("first contact from our side", protocol, 0);
    let (romeo, juliet) = stage.pair();
    talk(&mut stage, &*romeo, &*juliet);
}

fn from_their_side(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::new("first contact from their side", protocol, 0);
    let (romeo, juliet) = stage.pair();
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

    stage.world.server().release_empty_messages();
    stage.converse(active, passive);
    stage.converse(passive, active);
    // In legacy OMEMO a message without text is one without payload.
    if stage.namespace() == Namespace::OMEMO_2 {
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

fn with_empty_messages_of_theirs(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::new("empty messages of theirs", protocol, 0);
    let (romeo, juliet) = stage.pair();
    let namespace = stage.namespace();
    // One that opens a session, which we answer, and one that answers ours.
    juliet.send_empty(&namespace, &*romeo);
    assert_eq!(stage.world.deliver(&*romeo).unwrap().text(), None);
    assert_eq!(stage.empty_messages(), 2);
    assert_eq!(stage.world.deliver(&*juliet).unwrap().text(), None);
    juliet.send_empty(&namespace, &*romeo);
    assert_eq!(stage.world.deliver(&*romeo).unwrap().text(), None);
    assert_eq!(stage.empty_messages(), 3);
    assert!(!is_key_exchange(&stage.say(&*romeo, &*juliet, "Lady"), &*juliet));
    stage.converse(&*juliet, &*romeo);
}
