//! Commits whose answers are lost.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use omemo::blocking::wait;
use omemo::local::Server;
use omemo::trust::TrustLevel;
use omemo::{Error, ErrorKind};

use super::common::{self, jid, open, open_on, text};
use super::troubled::Troubled;
use super::{NS, list, messages};

/// A timeout cuts the commit off after it was applied, and the next attempt fails for another reason: whether the first
/// was applied is still not known, so the operation must not end.
#[test]
fn a_commit_that_was_cut_off_is_unknown_whatever_fails_after() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let storage = Troubled::default();
    let juliet = open_on(&server, "juliet@capulet.lit", "phone", storage.clone());
    romeo.send(&[&juliet.jid], "hello");
    let message = messages(&juliet).remove(0);
    storage.trouble.mute.store(1, Ordering::SeqCst);
    {
        let mut first = pin!(juliet.client.decrypt(message.clone()));
        let polled = first.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending));
    }
    assert_eq!(
        storage.trouble.mute.load(Ordering::SeqCst),
        0,
        "it was cut off in its commit"
    );
    storage.trouble.refused.store(1, Ordering::SeqCst);
    let second = juliet.decrypt(message.clone());
    let decrypted = second.or_else(|_| juliet.decrypt(message));
    assert_eq!(text(&decrypted.unwrap()).as_deref(), Some("hello"));
}

/// The storage has forgotten the commit, and then does not answer: it is given up for now, and loses nothing.
#[test]
fn looking_for_a_commit_ends_when_the_storage_does_not_answer() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let storage = Troubled::default();
    let juliet = open_on(&server, "juliet@capulet.lit", "phone", storage.clone());
    romeo.send(&[&juliet.jid], "hello");
    let message = messages(&juliet).remove(0);
    storage.trouble.unread_after.store(10_000, Ordering::SeqCst);
    storage.trouble.lost.store(1, Ordering::SeqCst);
    storage.trouble.conflict.store(1, Ordering::SeqCst);
    let first = juliet.decrypt(message.clone());
    match first {
        Err(error) => assert_unknown(&error),
        Ok(decrypted) => panic!("{decrypted:?}"),
    }
    storage.trouble.unread.store(0, Ordering::SeqCst);
    assert_eq!(text(&juliet.decrypt(message).unwrap()).as_deref(), Some("hello"));
}

fn assert_unknown(error: &Error) {
    assert!(
        matches!(error, Error::Storage(error) if error.kind() == ErrorKind::OutcomeUnknown),
        "{error}"
    );
}

/// Every commit goes through and its answer is lost, until this is called again with `false`.
fn lose_answers(storage: &Troubled, lose: bool) {
    let commits = if lose { u32::MAX } else { 0 };
    storage.trouble.lost.store(commits, Ordering::SeqCst);
}

/// The application gives up, and tries again when ten minutes or 4,096 commits have made the storage forget the first one.
#[test]
fn a_dropped_decrypt_survives_a_storage_that_forgot_its_commit() {
    let server = Server::new();
    let storage = Troubled::default();
    let romeo = open_on(&server, "romeo@montague.lit", "phone", storage.clone());
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.receive();
    messages(&juliet);
    juliet.send(&[&romeo.jid], "one");
    let message = messages(&romeo).pop().unwrap();
    lose_answers(&storage, true);
    assert_unknown(&romeo.decrypt(message.clone()).unwrap_err());
    lose_answers(&storage, false);
    let nurse = jid("nurse@capulet.lit");
    for device in 1..=4200 {
        wait(romeo.client.update_device_list(NS, nurse.clone(), list([device]))).unwrap();
    }
    let decrypted = romeo.decrypt(message).unwrap();
    assert_eq!(text(&decrypted).as_deref(), Some("one"));
}

/// What was encrypted by the commit whose answer was lost must not be the answer to the next request: that was made after
/// a key was distrusted.
#[test]
fn a_message_encrypted_before_distrust_is_not_handed_out_after() {
    let server = Server::new();
    let storage = Troubled::default();
    let romeo = open_on(&server, "romeo@montague.lit", "phone", storage.clone());
    let [phone, laptop] = ["phone", "laptop"].map(|name| open(&server, "juliet@capulet.lit", name));
    romeo.texts();
    common::settle(&[&phone, &laptop]);
    romeo.texts();
    romeo.send(&[&phone.jid], "hi");
    lose_answers(&storage, true);
    assert_unknown(&romeo.encrypt(&[&phone.jid], "secret").unwrap_err());
    lose_answers(&storage, false);
    let known = wait(romeo.client.device_information(phone.jid.clone())).unwrap();
    let is_stolen = |device| device == laptop.client.device();
    let stolen = known.devices.iter().find(|known| is_stolen(known.device));
    let key = stolen.unwrap().identity_key.unwrap();
    wait(
        romeo
            .client
            .set_trust(phone.jid.clone(), key, TrustLevel::DISTRUSTED),
    )
    .unwrap();
    let outgoing = romeo.encrypt(&[&phone.jid], "secret").unwrap();
    assert!(!outgoing.encrypted_to.iter().any(|to| is_stolen(to.device)));
}
