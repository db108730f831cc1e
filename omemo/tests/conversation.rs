//! A conversation, from the first contact on.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::{jid, open, open_on, settle};
use omemo::local::Server;
use omemo_storage_memory::MemoryStorage;

#[test]
fn two_devices_talk() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.send(&[&juliet.jid], "But, soft!");
    assert_eq!(juliet.texts(), ["But, soft!"]);
    assert_eq!(romeo.texts(), [""; 0]);
    juliet.send(&[&romeo.jid], "Ay me!");
    romeo.send(&[&juliet.jid], "She speaks");
    assert_eq!(romeo.texts(), ["Ay me!"]);
    assert_eq!(juliet.texts(), ["She speaks"]);
}

#[test]
fn a_message_reaches_every_device_of_both_accounts() {
    let server = Server::new();
    let phone = open(&server, "romeo@montague.lit", "phone");
    let laptop = open(&server, "romeo@montague.lit", "laptop");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    settle(&[&phone, &laptop, &juliet]);
    let encrypted = phone.try_to_encrypt(&[&juliet.jid], "Call me but love").unwrap();
    let outgoing = encrypted.complete().unwrap();
    assert_eq!(outgoing.encrypted_to.len(), 2);
    phone
        .connection
        .send(std::slice::from_ref(&juliet.jid), &outgoing.messages[0]);
    assert_eq!(laptop.texts(), ["Call me but love"]);
    assert_eq!(juliet.texts(), ["Call me but love"]);
    let answer = juliet.send(&[&phone.jid], "What man art thou?");
    let [group] = answer.messages[0].recipients.as_slice() else {
        panic!("an account is named more than once")
    };
    assert_eq!((group.jid.as_ref(), group.keys.len()), (Some(&phone.jid), 2));
    assert_eq!(phone.texts(), ["What man art thou?"]);
    assert_eq!(laptop.texts(), ["What man art thou?"]);
}

#[test]
fn a_device_goes_on_from_its_storage() {
    let server = Server::new();
    let storage = MemoryStorage::new();
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let romeo = open_on(&server, "romeo@montague.lit", "phone", storage.clone());
    romeo.send(&[&juliet.jid], "one");
    assert_eq!(juliet.texts(), ["one"]);
    let device = romeo.client.device();
    drop(romeo);
    let romeo = open_on(&server, "romeo@montague.lit", "phone", storage);
    assert_eq!(romeo.client.device(), device);
    juliet.send(&[&jid("romeo@montague.lit")], "two");
    assert_eq!(romeo.texts(), ["two"]);
    romeo.send(&[&juliet.jid], "three");
    assert_eq!(juliet.texts(), ["three"]);
}
