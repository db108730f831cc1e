//! Key exchanges repeated until they are answered, and marked or not.

use std::sync::Arc;

use omemo::Protocol;
use omemo_interop::{Device, Outcome};

use crate::{JULIET, ROMEO, Stage, in_each_protocol, is_key_exchange, jid};

in_each_protocol!(repeated_by_us, repeated_by_them, unmarked_by_them);

const OPENINGS: usize = 5;

fn repeated_by_us(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::new("key exchanges repeated by us", protocol, 7);
    let (romeo, juliet) = stage.pair();
    repeat(&mut stage, &*romeo, &*juliet);
    stage.converse(&*juliet, &*romeo);
}

fn repeated_by_them(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::new("key exchanges repeated by them", protocol, 7);
    let (romeo, juliet) = stage.pair();
    let server = stage.world.server().clone();
    let bundle = server.bundle(&stage.namespace(), &jid(ROMEO), romeo.id());
    server.hold_empty_messages();
    repeat(&mut stage, &*juliet, &*romeo);
    // All of them are one session: it is answered once.
    assert_eq!(server.release_empty_messages(), 1);
    assert_ne!(server.bundle(&stage.namespace(), &jid(ROMEO), romeo.id()), bundle);
    stage.world.settle();
    assert!(!is_key_exchange(
        &stage.say(&*juliet, &*romeo, "There you are"),
        &*romeo
    ));
    stage.converse(&*romeo, &*juliet);
}

/// Several messages before any answer, out of order and each twice. Reading them is no answer.
fn repeat(stage: &mut Stage, active: &dyn Device, passive: &dyn Device) {
    let server = stage.world.server().clone();
    for number in 0..OPENINGS {
        let text = format!("opening {number}");
        let opening = stage.world.send(active, &passive.address().jid, &text);
        assert!(is_key_exchange(&opening, passive));
        server.repeat(&opening, passive.address());
    }
    server.shuffle(passive.address());
    assert_eq!(stage.world.receive(passive).len(), OPENINGS);
    assert!(is_key_exchange(&stage.say(active, passive, "Hello?"), passive));
}

/// Some mark only the first message of a session, although the ones after it are key exchanges too.
fn unmarked_by_them(protocol: Arc<dyn Protocol>) {
    let mut stage = Stage::new("unmarked key exchanges", protocol, 0);
    let (romeo, juliet) = stage.pair();
    for number in 0..3 {
        let message = stage
            .world
            .send(&*juliet, &jid(ROMEO), &format!("opening {number}"));
        assert!(is_key_exchange(&message, &*romeo));
        let unmarked = [" kex='true'", " prekey='true'"]
            .into_iter()
            .fold(message.xml.clone(), |xml, mark| xml.replace(mark, ""));
        assert!(unmarked.len() < message.xml.len(), "no mark found: {unmarked}");
        let outcome = romeo.decrypt(&jid(JULIET), &unmarked);
        assert_eq!(outcome, Outcome::Received(stage.world.expected(&message)));
        // Marked or not, it is the same message.
        assert_eq!(
            romeo.decrypt(&jid(JULIET), &message.xml),
            Outcome::AlreadyDecrypted
        );
    }
}
