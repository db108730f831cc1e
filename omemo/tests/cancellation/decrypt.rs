//! A message whose call is dropped is handed out by the next one, once, wherever that was and whatever it takes to read it.

use std::collections::BTreeSet;

use omemo::blocking::wait;
use omemo::local::{Connection, Server};
use omemo::{Client, DeviceAddress, IncomingMessage, Namespace};
use omemo_storage::Storage;
use omemo_storage_memory::MemoryStorage;
use omemo_storage_sqlite::SqliteStorage;

use super::common::polling::poll_often;
use super::common::{Device, is_repeated, jid, open, rng, settings, text};
use super::hesitant::{Hesitant, Route};
use super::next_message;

/// Romeo, and Juliet whose calls are dropped.
struct Stage<S> {
    server: Server,
    romeo: Device,
    juliet: Client<Hesitant<S>, Hesitant<Connection>>,
    connection: Connection,
    route: Route,
}

/// Brings about a message to Juliet with the text, and something that it passes when it is read.
type Scene<S> = fn(&Stage<S>, &str) -> IncomingMessage;

impl<S: Storage> Stage<S> {
    fn new(storage: S) -> Self {
        let (server, route) = (Server::new(), Route::default());
        let romeo = open(&server, "romeo@montague.lit", "phone");
        let juliet = jid("juliet@capulet.lit");
        let connection = server.connect(&juliet, "phone");
        let storage = Hesitant::on(storage, route.clone());
        let network = Hesitant::on(connection.clone(), route.clone());
        let builder = Client::builder(settings(juliet.clone()), storage, network);
        let builder = builder.catch_up(false).rng(rng(&juliet, "phone"));
        Self {
            server,
            romeo,
            juliet: wait(builder.open()).unwrap(),
            connection,
            route,
        }
    }

    /// Each answers what it owes. A bundle without the pre keys that were used is published too.
    fn settle(&self) {
        for _ in 0..2 {
            wait(self.juliet.flush()).unwrap();
            drop(self.romeo.receive());
            self.romeo.flush();
            while let Some(delivery) = self.connection.receive() {
                if let omemo::local::Delivery::Message(message) = delivery {
                    let _ = wait(self.juliet.decrypt(message)).unwrap();
                }
            }
        }
    }

    fn sent_by(&self, sender: &Device, text: &str) -> IncomingMessage {
        sender.send(&[&jid("juliet@capulet.lit")], text);
        next_message(&self.connection)
    }

    fn in_order(&self, text: &str) -> IncomingMessage {
        self.sent_by(&self.romeo, text)
    }

    fn late(&self, text: &str) -> IncomingMessage {
        let late = self.sent_by(&self.romeo, text);
        let early = self.sent_by(&self.romeo, "early");
        let _ = wait(self.juliet.decrypt(early)).unwrap();
        late
    }

    fn of_an_archived_session(&self, text: &str) -> IncomingMessage {
        let late = self.sent_by(&self.romeo, text);
        let romeo = DeviceAddress {
            jid: self.romeo.jid.clone(),
            device: self.romeo.client.device(),
        };
        let replaced = wait(self.juliet.replace_sessions(romeo)).unwrap();
        assert!(replaced[&Namespace::OMEMO_2].is_ok());
        late
    }

    fn of_a_stranger(&self, text: &str) -> IncomingMessage {
        let stranger = open(&self.server, &format!("romeo{text}@montague.lit"), "phone");
        self.sent_by(&stranger, text)
    }

    /// As of a stranger, but for the list.
    fn key_exchange(&self, text: &str) -> IncomingMessage {
        let message = self.of_a_stranger(text);
        let refresh = self
            .juliet
            .refresh_device_list(Namespace::OMEMO_2, message.sender.clone());
        wait(refresh).unwrap();
        message
    }

    /// Drops the call one poll later each time until it was dropped at every place that it passes; how often a call waits in a
    /// storage depends on how quickly that answers, so all is done again until then. `waits` tells at which places it can.
    fn drop_everywhere(&self, name: &str, scene: Scene<S>, passes: &str, waits: fn(&str) -> bool) {
        let (mut dropped_at, mut passed) = (BTreeSet::new(), BTreeSet::new());
        for round in 0..200 {
            for polls in 1.. {
                self.settle();
                let said = format!("{name}{round}-{polls}");
                let message = scene(self, &said);
                self.route.begin();
                let polled = poll_often(self.juliet.decrypt(message.clone()), polls);
                let (ended, places) = (polled.is_some(), self.route.places());
                let decrypted = polled.unwrap_or_else(|| {
                    dropped_at.insert(self.route.last());
                    wait(self.juliet.decrypt(message.clone()))
                });
                assert_eq!(text(&decrypted.unwrap()).as_ref(), Some(&said), "{dropped_at:?}");
                // Handed out once, it is not handed out again.
                assert!(is_repeated(&wait(self.juliet.decrypt(message))), "{said}");
                if ended {
                    passed.extend(places.into_iter().filter(|place| waits(place)));
                    break;
                }
            }
            if passed.is_subset(&dropped_at) {
                break;
            }
        }
        assert!(
            passed.contains(passes) && passed.contains("after commit 1"),
            "{name}: {passed:?}"
        );
        let missed: Vec<_> = passed.difference(&dropped_at).collect();
        assert!(missed.is_empty(), "{name} was never dropped {missed:?}");
    }

    fn drop_everything_everywhere(&self, waits: fn(&str) -> bool) {
        let scenes: [(&str, Scene<S>, &str); 5] = [
            ("in-order", Self::in_order, "after load 1"),
            ("key-exchange", Self::key_exchange, "after load 1"),
            ("late", Self::late, "after load 2"),
            ("archived", Self::of_an_archived_session, "after load 2"),
            ("stranger", Self::of_a_stranger, "after download 1"),
        ];
        for (name, scene, passes) in scenes {
            self.drop_everywhere(name, scene, passes, waits);
        }
    }
}

#[test]
fn a_dropped_decrypt_is_continued_in_memory() {
    Stage::new(MemoryStorage::new()).drop_everything_everywhere(|place| !place.starts_with("in "));
}

#[test]
fn a_dropped_decrypt_is_continued_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let storage = wait(SqliteStorage::open(directory.path().join("juliet.sqlite"))).unwrap();
    // A thread of SQLite's does the work; the server is in this one.
    Stage::new(storage).drop_everything_everywhere(|place| !place.starts_with("in download"));
}
