//! Both protocols over one identity. OMEMO 2 carries its Ed25519 form, sign and all, legacy OMEMO the Curve25519 form and the
//! sign in the signature of its bundle. libomemo-c makes identities of sign 0 only; every second one of ours has the sign 1.

use std::rc::Rc;
use std::sync::Arc;

use omemo::{Legacy, Namespace, Omemo2, Protocol};
use omemo_interop::{Device, LibomemoDevice, Ours};
use omemo_storage_memory::MemoryStorage;

use crate::{JULIET, ROMEO, Stage, jid};

/// How many identities are tried: all of ours have the same sign once in 128 times.
const IDENTITIES: usize = 8;

#[test]
fn omemo_2_first_in_what_we_write() {
    talk(
        &[Arc::new(Omemo2), Arc::new(Legacy)],
        [Namespace::LEGACY, Namespace::OMEMO_2],
    );
}

#[test]
fn legacy_first_in_what_we_write() {
    talk(
        &[Arc::new(Legacy), Arc::new(Omemo2)],
        [Namespace::OMEMO_2, Namespace::LEGACY],
    );
}

/// Each side writes in the protocol that it likes best, and opens a session in it; either may come first.
fn talk(ours: &[Arc<dyn Protocol>; 2], theirs: [Namespace; 2]) {
    for identity in 0..IDENTITIES {
        let mut stage = Stage::new("both protocols", Arc::clone(&ours[0]), 0);
        let romeo = stage.ours_speaking("phone", ours.to_vec());
        let juliet = stage.theirs_speaking("balcony", theirs.to_vec());
        stage.world.settle();
        for turn in 0..4 {
            let speak = [
                (&*romeo as &dyn Device, &*juliet as &dyn Device),
                (&*juliet, &*romeo),
            ];
            let (from, to) = speak[(identity + turn) % 2];
            let message = stage.say(from, to, &format!("turn {turn}"));
            let best = if from.id() == romeo.id() {
                ours[0].namespace()
            } else {
                theirs[0].clone()
            };
            assert_eq!(message.namespace, best);
        }
        stage.world.settle();
        stage.world.assert_all_read();
        known_as_one(&romeo, &juliet);
        stage.converse(&*romeo, &*juliet);
    }
}

fn known_as_one(romeo: &Rc<Ours<MemoryStorage>>, juliet: &Rc<LibomemoDevice>) {
    let devices = romeo.devices(&jid(JULIET));
    assert_eq!(devices.len(), 1);
    let key = devices[0].identity_key.unwrap();
    assert_eq!(key.curve25519().as_bytes(), &juliet.identity_key());
    let listed = [Namespace::OMEMO_2, Namespace::LEGACY].map(|namespace| (namespace, true));
    assert_eq!(devices[0].protocols, listed.into());
    assert_eq!(romeo.devices(&jid(ROMEO)).len(), 1);
}
