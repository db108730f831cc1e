//! Pages of messages on SQLite, where an operation takes several polls.
#![allow(clippy::unwrap_used)]

mod common;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use common::{acquaint, arrived, open, open_on, texts};
use omemo::blocking::wait;
use omemo::local::Server;
use omemo_storage::Metered;
use omemo_storage_sqlite::SqliteStorage;

#[test]
fn a_thousand_messages_of_one_sender_on_sqlite_are_one_load_and_one_commit() {
    let server = Server::new();
    let directory = tempfile::tempdir().unwrap();
    let storage = Metered::new(wait(SqliteStorage::open(directory.path().join("juliet.db"))).unwrap());
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open_on(&server, "juliet@capulet.lit", "phone", storage);
    acquaint(&romeo, &juliet);
    for n in 0..1_000 {
        romeo.send(&[&juliet.jid], &n.to_string());
    }
    let page = arrived(&juliet);
    assert_eq!(page.len(), 1_000);
    juliet.client.storage().take();
    let outcomes = wait(juliet.client.decrypt_many(page)).unwrap();
    let counts = juliet.client.storage().take();
    assert_eq!((counts.loads, counts.commits), (1, 1));
    // The session, and the reply that a chain as long calls for.
    assert_eq!(counts.records_written, 2);
    assert_eq!(
        texts(&outcomes),
        (0..1_000).map(|n| n.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn a_page_that_was_dropped_is_taken_up_again() {
    let server = Server::new();
    let directory = tempfile::tempdir().unwrap();
    let storage = wait(SqliteStorage::open(directory.path().join("juliet.db"))).unwrap();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open_on(&server, "juliet@capulet.lit", "phone", storage);
    acquaint(&romeo, &juliet);
    let mut whole = 0;
    for polls in 0..200 {
        romeo.send(&[&juliet.jid], "one");
        romeo.send(&[&juliet.jid], "other");
        let page = arrived(&juliet);
        let ended = {
            let mut future = pin!(juliet.client.decrypt_many(page.clone()));
            let mut context = Context::from_waker(Waker::noop());
            (0..polls).find_map(|_| match future.as_mut().poll(&mut context) {
                Poll::Ready(outcome) => Some(outcome),
                Poll::Pending => {
                    std::thread::yield_now();
                    None
                }
            })
        };
        whole += usize::from(ended.is_some());
        let outcomes = ended
            .unwrap_or_else(|| wait(juliet.client.decrypt_many(page)))
            .unwrap();
        assert_eq!(texts(&outcomes), ["one", "other"], "after {polls} polls");
    }
    assert!(whole < 200, "no page was dropped");
}
