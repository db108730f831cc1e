//! Messages that somebody on the way has changed: nothing is read but what was written, one that is refused changes
//! nothing, and the one it was made of can be read afterwards.
#![no_main]

use std::collections::BTreeSet;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use omemo_fuzz::{Choices, Person, Records, Scene, Server, drive, is_kept};
use omemo_sansio::{
    BareJid, Content, Decrypted, DeviceId, IncomingMessage, KeyElement, Namespace, Payload, RecipientKeys,
};

fuzz_target!(|data: &[u8]| {
    static SCENES: OnceLock<Vec<Scene>> = OnceLock::new();
    let mut choices = Choices::new(data);
    let scene = choices.pick(SCENES.get_or_init(Scene::all));
    let letter = choices.pick(&scene.letters);
    let mut message = letter.message.clone();
    for _ in 0..=choices.byte() % 4 {
        change(&mut message, &mut choices, scene);
    }
    let (mut receiver, mut server) = (scene.receiver(&scene.records), scene.server.clone());
    let mut asked = BTreeSet::new();
    let read = match receive(&mut receiver, &mut server, message, scene) {
        Reception::Read(text) => Some(text),
        Reception::Refused => None,
        // The key of one of the letters is used up, and whose it was, nobody has said.
        Reception::KeyTransport => return,
    };
    for letter in [letter, choices.pick(&scene.letters)] {
        let was_read = letter.is_read || read.as_ref() == Some(&letter.text) || !asked.insert(&letter.text);
        let outcome = drive(&mut receiver, &mut server, |account| {
            account.decrypt(letter.message.clone())
        });
        match outcome.expect("a message can be read whatever came before it") {
            Decrypted::Trusted(received) | Decrypted::Undecided(received) => {
                assert!(!was_read, "it is read twice");
                assert!(matches!(&received.content, Content::Plaintext(text) if **text == letter.text));
            }
            Decrypted::AlreadyDecrypted => assert!(was_read, "it was never read"),
            Decrypted::NotForUs => panic!("it is for this device"),
        }
    }
});

/// What became of a message.
enum Reception {
    Read(Vec<u8>),
    Refused,
    /// A message of legacy OMEMO whose payload was taken away.
    KeyTransport,
}

/// Receives a message that may have been changed.
fn receive(receiver: &mut Person, server: &mut Server, message: IncomingMessage, scene: &Scene) -> Reception {
    let payload = message.message.payload.as_ref();
    let is_bare = payload.is_none_or(|payload| payload.ciphertext.is_empty())
        && message.message.namespace == Namespace::LEGACY;
    match drive(receiver, server, |account| account.decrypt(message)) {
        Ok(Decrypted::Trusted(received) | Decrypted::Undecided(received)) => {
            let read = match &received.content {
                Content::Plaintext(read) => read,
                Content::KeyTransport if is_bare => return Reception::KeyTransport,
                other => panic!("every message says something, not {other:?}"),
            };
            assert!(
                scene.letters.iter().any(|letter| letter.text == **read),
                "nobody has written that"
            );
            Reception::Read(read.to_vec())
        }
        Ok(Decrypted::AlreadyDecrypted | Decrypted::NotForUs) | Err(_) => {
            assert!(
                !differs(&receiver.records(), &scene.records),
                "what is refused has changed something"
            );
            Reception::Refused
        }
    }
}

/// Whether anything but notes about senders is different.
fn differs(one: &Records, other: &Records) -> bool {
    let kept = |records: &Records| {
        records
            .iter()
            .filter(|(key, _)| is_kept(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<Records>()
    };
    kept(one) != kept(other)
}

/// Changes one thing about a message.
fn change(incoming: &mut IncomingMessage, choices: &mut Choices<'_>, scene: &Scene) {
    let other = choices.pick(&scene.letters).message.clone();
    let message = &mut incoming.message;
    let kind = choices.byte() % 14;
    let element = message
        .recipients
        .first_mut()
        .and_then(|recipient| recipient.keys.first_mut());
    match (kind, element) {
        (0..=3, Some(element)) => choices.alter(&mut element.data),
        (4, Some(element)) => element.device = DeviceId::new(choices.long()),
        (5, Some(element)) => element.key_exchange = choices.flag(),
        (6, Some(_)) => message.recipients.extend(other.message.recipients),
        (7, Some(element)) => {
            let KeyElement { data, .. } = &other.message.recipients[0].keys[0];
            element.data.clone_from(data);
        }
        (8, _) => {
            message.payload = if choices.flag() {
                other.message.payload
            } else {
                None
            }
        }
        (9, _) => change_payload(message.payload.as_mut(), choices),
        (10, _) => message.sender_device = DeviceId::new(choices.long()),
        (11, _) => incoming.sender = choices.pick(&[scene.receiver.jid.clone(), stranger()]).clone(),
        (12, _) => message.namespace = choices.pick(&[Namespace::OMEMO_2, Namespace::LEGACY]).clone(),
        _ => {
            let jid = choices
                .pick(&[None, Some(stranger()), Some(scene.receiver.jid.clone())])
                .clone();
            let keys = message
                .recipients
                .pop()
                .map_or_else(Vec::new, |recipient| recipient.keys);
            message.recipients.push(RecipientKeys { jid, keys });
        }
    }
}

fn change_payload(payload: Option<&mut Payload>, choices: &mut Choices<'_>) {
    let Some(payload) = payload else { return };
    match &mut payload.iv {
        Some(iv) if choices.flag() => choices.alter(iv),
        iv if choices.flag() => *iv = choices.flag().then(|| choices.some().to_vec()),
        _ => choices.alter(&mut payload.ciphertext),
    }
}

fn stranger() -> BareJid {
    BareJid::new("tybalt@capulet.lit").expect("a JID")
}
