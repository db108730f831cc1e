//! Keys that an honest sender never has.

use omemo::blocking::wait;
use omemo::keys::PublicKey;
use omemo::local::Server;
use omemo::{BundleFailure, DeviceId, Encrypted, SkipReason};

use super::common::{Device, is_repeated, open, text};
use super::{NS, forged, forged_element, messages, written};

/// Replaces every pre key in a published bundle by one that agrees on nothing.
fn spoil_pre_keys(server: &Server, of: &Device) {
    let device = of.client.device();
    let mut bundle = server.bundle(&of.jid, &NS, device).unwrap();
    let zero = PublicKey::from_bytes([0; 32]);
    bundle.pre_keys.values_mut().for_each(|key| *key = zero);
    server.publish_bundle(&of.jid, &NS, device, bundle);
}

/// One member of a group has such a bundle, or the server of one: the others get the message.
#[test]
fn a_pre_key_of_small_order_leaves_out_its_device_alone() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let [evil, good] = ["evil", "good"].map(|name| open(&server, "juliet@capulet.lit", name));
    messages(&romeo);
    spoil_pre_keys(&server, &evil);
    let Encrypted::Partial(outgoing, skipped) = romeo.try_to_encrypt(&[&good.jid], "hello").unwrap() else {
        panic!("it was used")
    };
    assert_eq!(outgoing.encrypted_to.len(), 1);
    let [left_out] = &skipped[..] else {
        panic!("{skipped:?}")
    };
    assert_eq!(left_out.device, Some(evil.client.device()));
    assert!(
        matches!(&left_out.reason, SkipReason::Bundle(BundleFailure::Invalid(_))),
        "{left_out:?}"
    );
}

/// A stranger who has such a bundle makes romeo owe him a session: everything else still leaves the outbox.
#[test]
fn a_pre_key_of_small_order_does_not_hold_up_the_outbox() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let evil = open(&server, "evil@example.org", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    messages(&romeo);
    spoil_pre_keys(&server, &evil);
    let device = evil.client.device().get();
    assert!(romeo.decrypt(forged(&romeo, "evil@example.org", device)).is_err());
    juliet.send(&[&romeo.jid], "hello");
    for message in messages(&romeo) {
        let _ = romeo.decrypt(message).unwrap();
    }
    messages(&juliet);
    let flushed = wait(romeo.client.flush());
    assert!(flushed.is_ok(), "{flushed:?}");
    assert_eq!(messages(&juliet).len(), 1, "her key exchange is answered");
    wait(romeo.client.maintain()).unwrap();
}

/// The ephemeral key of a key exchange is not authenticated by itself: bytes that mean the same key would be another key
/// exchange, and its message, read before, would be read again.
#[test]
fn a_key_exchange_is_not_read_again_with_its_base_key_written_otherwise() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    messages(&romeo);
    let _catch_up = wait(romeo.client.begin_catch_up()).unwrap();
    juliet.send(&[&romeo.jid], "hello");
    let message = messages(&romeo).remove(0);
    assert_eq!(
        text(&romeo.decrypt(message.clone()).unwrap()).as_deref(),
        Some("hello")
    );
    let mut replayed = message.clone();
    for element in replayed
        .message
        .recipients
        .iter_mut()
        .flat_map(|recipient| &mut recipient.keys)
    {
        // ik is followed by ek.
        let at = element
            .data
            .windows(2)
            .position(|field| field == [0x1a, 32])
            .unwrap()
            + 34;
        assert_eq!(element.data[at..at + 2], [0x22, 32]);
        // The highest bit of a u coordinate is ignored.
        element.data[at + 33] ^= 0x80;
    }
    let outcome = romeo.decrypt(replayed);
    assert!(outcome.is_err(), "{outcome:?}");
    assert!(is_repeated(&romeo.decrypt(message)));
    // Her session is still the one that it was.
    juliet.send(&[&romeo.jid], "again");
    let next = messages(&romeo).pop().unwrap();
    assert_eq!(text(&romeo.decrypt(next).unwrap()).as_deref(), Some("again"));
}

/// A key exchange that nothing announces, behind more key elements than are looked at beforehand.
#[test]
fn a_key_exchange_that_nothing_announces_is_read() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    messages(&romeo);
    let mut message = written(&juliet, &romeo, "hello");
    let keys = &mut message.message.recipients[0].keys;
    keys.iter_mut().for_each(|element| element.key_exchange = false);
    for id in 1..=40 {
        keys.insert(0, forged_element(DeviceId::new(id)));
    }
    assert_eq!(
        text(&romeo.decrypt(message.clone()).unwrap()).as_deref(),
        Some("hello")
    );
    let page = wait(romeo.client.decrypt_many(vec![message])).unwrap();
    assert!(is_repeated(&page[0]));
}
