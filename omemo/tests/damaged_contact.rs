//! A contact whose record is damaged: it can be purged, and keeps neither a page nor a copy that is accepted from its end.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;
#[path = "common/damage.rs"]
mod damage;

use common::{Device, jid, open, open_on, settings, text};
use damage::damage;
use omemo::blocking::wait;
use omemo::local::{Delivery, Server};
use omemo::{Client, Error, IncomingMessage, OutboxFailure, OutboxItem};

const ROMEO: &str = "romeo@montague.lit";
const JULIET: &str = "juliet@capulet.lit";
const TYBALT: &str = "tybalt@capulet.lit";

struct World {
    server: Server,
    romeo: Device,
    juliet: Device,
    tybalt: Device,
}

/// Romeo has sessions with both others; what he knows of Juliet is damaged.
fn world() -> World {
    let server = Server::new();
    let [romeo, juliet, tybalt] = [ROMEO, JULIET, TYBALT].map(|of| open(&server, of, "phone"));
    romeo.send(&[&juliet.jid, &tybalt.jid], "hello");
    for other in [&juliet, &tybalt] {
        assert_eq!(other.texts(), ["hello"]);
        other.flush();
    }
    romeo.texts();
    damage(romeo.client.storage(), ROMEO, JULIET);
    World {
        server,
        romeo,
        juliet,
        tybalt,
    }
}

fn arrived(device: &Device) -> Vec<IncomingMessage> {
    let arrived = std::iter::from_fn(|| device.connection.receive());
    arrived
        .filter_map(|delivery| match delivery {
            Delivery::Message(message) => Some(message),
            Delivery::DeviceList { .. } => None,
        })
        .collect()
}

#[test]
fn it_can_be_purged_and_met_again() {
    let World { romeo, juliet, .. } = world();
    let error = romeo.encrypt(&[&juliet.jid], "lost").unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    wait(romeo.client.purge_contact(juliet.jid.clone())).unwrap();
    romeo.send(&[&juliet.jid], "hello again");
    assert_eq!(juliet.texts(), ["hello again"]);
}

#[test]
fn the_others_of_a_page_are_read() {
    let World {
        server,
        romeo,
        juliet,
        tybalt,
    } = world();
    juliet.send(&[&romeo.jid], "unread");
    tybalt.send(&[&romeo.jid], "read");
    // Somebody whose device list has to be downloaded.
    open(&server, "paris@verona.lit", "phone").send(&[&romeo.jid], "read too");
    let outcomes = wait(romeo.client.decrypt_many(arrived(&romeo))).unwrap();
    let [of_juliet, of_tybalt, of_paris] = <[_; 3]>::try_from(outcomes).unwrap();
    assert!(matches!(of_juliet, Err(Error::Corrupt { .. })), "{of_juliet:?}");
    assert_eq!(text(&of_tybalt.unwrap()).as_deref(), Some("read"));
    assert_eq!(text(&of_paris.unwrap()).as_deref(), Some("read too"));
}

#[test]
fn what_is_owed_to_others_and_what_is_published_leaves() {
    let server = Server::new();
    let [romeo, juliet, tybalt] = [ROMEO, JULIET, TYBALT].map(|of| open(&server, of, "phone"));
    for other in [&juliet, &tybalt] {
        other.send(&[&romeo.jid], "hello");
    }
    for message in arrived(&romeo) {
        assert!(romeo.decrypt(message).is_ok());
    }
    damage(romeo.client.storage(), ROMEO, JULIET);
    let flushed = romeo.flush();
    let is_of_juliet =
        |item: &OutboxItem| matches!(item, OutboxItem::Reply { jid, .. } if *jid == juliet.jid);
    assert_eq!(flushed.failed.len(), 1, "{flushed:?}");
    let (item, failure) = &flushed.failed[0];
    assert!(is_of_juliet(item), "{item:?}");
    assert!(
        matches!(failure, OutboxFailure::Corrupt { partition, .. } if partition.contains(JULIET)),
        "{failure:?}"
    );
    assert_eq!(flushed.sent.len(), 2, "a bundle and an answer: {flushed:?}");
    assert!(!flushed.sent.iter().any(is_of_juliet), "{flushed:?}");
    assert!(wait(romeo.client.maintain()).is_ok());
}

#[test]
fn a_copy_is_accepted_all_the_same() {
    let World {
        server,
        romeo,
        juliet,
        tybalt,
    } = world();
    let storage = romeo.client.storage().clone();
    drop(romeo);
    let connection = server.connect(&jid(ROMEO), "again");
    let builder = Client::builder(settings(jid(ROMEO)), storage.clone(), connection);
    drop(wait(builder.catch_up(false).accept_copy().open()).unwrap());
    let romeo = open_on(&server, ROMEO, "once more", storage);
    romeo.send(&[&tybalt.jid], "healed");
    assert_eq!(tybalt.texts().last().map(String::as_str), Some("healed"));
    // She is still damaged, and can be purged.
    assert!(romeo.encrypt(&[&juliet.jid], "lost").is_err());
    wait(romeo.client.purge_contact(juliet.jid.clone())).unwrap();
    romeo.send(&[&juliet.jid], "healed too");
    assert_eq!(juliet.texts().last().map(String::as_str), Some("healed too"));
}
