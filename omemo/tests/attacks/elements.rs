//! Key elements that somebody has forged, or taken from another message.

use omemo::local::Server;
use omemo::{DecryptFailure, Error, IncomingMessage};

use super::common::{self, Device, open, text};
use super::{forged_element, messages};

/// Romeo and juliet, who know each other's devices.
fn acquainted(server: &Server) -> (Device, Device) {
    let romeo = open(server, "romeo@montague.lit", "phone");
    let juliet = open(server, "juliet@capulet.lit", "phone");
    common::settle(&[&romeo, &juliet]);
    (romeo, juliet)
}

/// Romeo and juliet with a session that both have written in.
fn in_conversation(server: &Server) -> (Device, Device) {
    let (romeo, juliet) = acquainted(server);
    romeo.send(&[&juliet.jid], "hi");
    common::settle(&[&romeo, &juliet]);
    (romeo, juliet)
}

/// Names no account, as the legacy protocol does: each key element for this device is tried there.
fn without_names(mut message: IncomingMessage) -> IncomingMessage {
    let recipients = &mut message.message.recipients;
    recipients.iter_mut().for_each(|recipient| recipient.jid = None);
    message
}

fn spoil_payload(message: &mut IncomingMessage) {
    message.message.payload.as_mut().unwrap().ciphertext[0] ^= 1;
}

fn assert_several(of: &Device, message: IncomingMessage, elements: usize) {
    let error = of.decrypt(message).unwrap_err();
    assert!(
        matches!(error, Error::Decrypt(DecryptFailure::SeveralKeys(count)) if count == elements),
        "{error}"
    );
}

/// Refused where recipients are named, and where they are not.
fn assert_refused_both_ways(of: &Device, message: IncomingMessage) {
    assert_several(of, message.clone(), 2);
    let error = of.decrypt(without_names(message)).unwrap_err();
    assert!(matches!(error, Error::Decrypt(_)), "{error}");
}

fn assert_reads(of: &Device, message: IncomingMessage, expected: &str) {
    assert_eq!(text(&of.decrypt(message).unwrap()).as_deref(), Some(expected));
}

/// The key element of one message is put before that of another, which its key does not open.
#[test]
fn a_key_element_of_another_message_is_not_spent() {
    let server = Server::new();
    let (romeo, juliet) = in_conversation(&server);
    juliet.send(&[&romeo.jid], "one");
    juliet.send(&[&romeo.jid], "two");
    let [one, two] = <[_; 2]>::try_from(messages(&romeo)).unwrap();
    let elements = &one.message.recipients[0].keys;
    let for_romeo = |device| device == romeo.client.device();
    let of_one = elements.iter().find(|element| for_romeo(element.device));
    let mut spliced = two;
    spliced.message.recipients[0]
        .keys
        .insert(0, of_one.unwrap().clone());
    assert_several(&romeo, spliced.clone(), 2);
    // Where each is tried, the one that failed leaves nothing behind.
    assert_reads(&romeo, without_names(spliced), "two");
    assert_reads(&romeo, one, "one");
}

#[test]
fn a_key_exchange_that_failed_leaves_nothing() {
    let server = Server::new();
    let (romeo, juliet) = acquainted(&server);
    juliet.send(&[&romeo.jid], "one");
    let message = messages(&romeo).remove(0);
    let mut spoilt = message.clone();
    spoil_payload(&mut spoilt);
    let element = forged_element(romeo.client.device());
    spoilt.message.recipients[0].keys.insert(0, element);
    assert_refused_both_ways(&romeo, spoilt);
    assert_reads(&romeo, message, "one");
}

#[test]
fn spliced_elements_do_no_harm() {
    let server = Server::new();
    let (romeo, juliet) = in_conversation(&server);
    romeo.send(&[&juliet.jid], "x");
    juliet.receive();
    juliet.send(&[&romeo.jid], "one");
    let message = messages(&romeo).remove(0);
    let mut spoilt = message.clone();
    spoil_payload(&mut spoilt);
    let element = forged_element(romeo.client.device());
    spoilt.message.recipients[0].keys.push(element);
    assert_refused_both_ways(&romeo, spoilt);
    assert_reads(&romeo, message, "one");
}

#[test]
fn many_elements_for_one_device_cost_nothing() {
    const MANY: usize = 10_000;
    let server = Server::new();
    let (romeo, juliet) = in_conversation(&server);
    juliet.send(&[&romeo.jid], "one");
    let message = messages(&romeo).remove(0);
    let mut crowded = message.clone();
    let element = crowded.message.recipients[0].keys[0].clone();
    crowded.message.recipients[0].keys = vec![element; MANY];
    assert_several(&romeo, crowded, MANY);
    assert_reads(&romeo, message, "one");
}
