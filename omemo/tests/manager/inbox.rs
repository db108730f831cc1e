//! Plaintexts that wait until the application has them.

use omemo::blocking::wait;
use omemo::trust::{Trust, TrustLevel};
use omemo::{DecryptFailure, Decrypted, Error, InboxId, Settings};

use super::world::{Device, JULIET, OMEMO_2, ROMEO, World, both, settings, text};

fn keeping(of: &str) -> Settings {
    Settings {
        inbox: true,
        ..settings(of, both())
    }
}

fn pending(device: &Device) -> Vec<(InboxId, String)> {
    wait(device.client.pending())
        .unwrap()
        .into_iter()
        .map(|pending| {
            let id = pending.id;
            (id, text(&Decrypted::from(pending.received)).unwrap())
        })
        .collect()
}

#[test]
fn a_plaintext_waits_until_it_is_acknowledged() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.open(keeping(JULIET), "phone", Default::default(), |builder| builder);
    for word in ["But,", "soft!"] {
        romeo.send(&juliet.jid, word, &[OMEMO_2]);
    }
    let messages = juliet.arrived();
    let ids: Vec<_> = messages
        .iter()
        .map(|message| {
            juliet
                .decrypt(message.clone())
                .unwrap()
                .received()
                .unwrap()
                .inbox
                .unwrap()
        })
        .collect();
    // The process dies before the application has stored anything.
    let storage = std::sync::Arc::clone(&juliet.storage);
    drop(juliet);
    let juliet = world.open(keeping(JULIET), "phone", storage, |builder| builder);
    assert_eq!(
        pending(&juliet),
        [(ids[0], "But,".to_owned()), (ids[1], "soft!".to_owned())]
    );
    // Decrypting the message again returns it, and its sender is judged.
    let again = juliet.decrypt(messages[0].clone()).unwrap();
    assert!(matches!(again, Decrypted::Trusted(_)), "{again:?}");
    assert_eq!(text(&again).unwrap(), "But,");
    wait(juliet.client.acknowledge(vec![ids[0], ids[0]])).unwrap();
    assert_eq!(pending(&juliet), [(ids[1], "soft!".to_owned())]);
    let again = juliet.decrypt(messages[0].clone()).unwrap();
    assert!(matches!(again, Decrypted::AlreadyDecrypted), "{again:?}");
    wait(juliet.client.acknowledge(ids)).unwrap();
    assert!(pending(&juliet).is_empty() && !juliet.holds("inbox", "message/"));
}

#[test]
fn a_page_is_kept_too() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.open(keeping(JULIET), "phone", Default::default(), |builder| builder);
    for word in ["what", "light"] {
        romeo.send(&juliet.jid, word, &[OMEMO_2]);
    }
    let mut page = juliet.arrived();
    page.push(page[0].clone());
    let outcomes = wait(juliet.client.decrypt_many(page)).unwrap();
    let texts: Vec<_> = outcomes
        .iter()
        .map(|outcome| text(outcome.as_ref().unwrap()).unwrap())
        .collect();
    assert_eq!(texts, ["what", "light", "what"]);
    assert_eq!(pending(&juliet).len(), 2);
}

#[test]
fn it_is_off_unless_it_is_asked_for() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
    let received = juliet.receive().remove(0).unwrap().received().unwrap();
    assert_eq!(received.inbox, None);
    assert!(!juliet.holds("inbox", ""));
}

/// A plaintext that no record can hold is refused, and its key is not used up: without an inbox it can be read.
#[test]
fn what_is_too_large_for_the_inbox_leaves_its_page_as_it_was() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.open(keeping(JULIET), "phone", Default::default(), |builder| builder);
    let large = "x".repeat(1 << 20);
    for word in ["what", &large, "light"] {
        romeo.send(&juliet.jid, word, &[OMEMO_2]);
    }
    let page = juliet.arrived();
    let outcomes = wait(juliet.client.decrypt_many(page.clone())).unwrap();
    assert!(outcomes[1].is_err());
    assert_eq!(
        pending(&juliet)
            .into_iter()
            .map(|(_, text)| text)
            .collect::<Vec<_>>(),
        ["what", "light"]
    );
    let storage = std::sync::Arc::clone(&juliet.storage);
    drop(juliet);
    let juliet = world.open(settings(JULIET, both()), "phone", storage, |builder| builder);
    let read = juliet.decrypt(page[1].clone()).unwrap();
    assert!(text(&read).unwrap() == large, "it can be read");
}

/// What waits is judged by what was decided since, and nobody is met for the first time there.
#[test]
fn what_waits_is_judged_by_what_is_known_now() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.open(keeping(JULIET), "phone", Default::default(), |builder| builder);
    romeo.send(&juliet.jid, "But, soft!", &[OMEMO_2]);
    let message = juliet.arrived().remove(0);
    let received = juliet.decrypt(message.clone()).unwrap().received().unwrap();
    let trust = || {
        wait(juliet.client.pending())
            .unwrap()
            .remove(0)
            .received
            .sender
            .trust
    };
    assert_eq!(trust(), Trust::Trusted);

    let (jid, key) = (received.sender.jid, received.sender.identity_key);
    wait(juliet.client.set_trust(jid.clone(), key, TrustLevel::DISTRUSTED)).unwrap();
    let again = juliet.decrypt(message.clone()).unwrap_err();
    assert!(
        matches!(again, Error::Decrypt(DecryptFailure::SenderDistrusted(_))),
        "{again}"
    );
    assert_eq!(trust(), Trust::Distrusted);

    wait(juliet.client.purge_contact(jid)).unwrap();
    assert_eq!(trust(), Trust::Undecided);
    let again = juliet.decrypt(message).unwrap();
    assert!(matches!(again, Decrypted::Undecided(_)), "{again:?}");
}
