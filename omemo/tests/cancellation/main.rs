//! Futures dropped at any await, and executors of every kind.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/damage.rs"]
mod damage;
mod decisions;
mod decrypt;
mod hesitant;
mod unclaimed;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::polling::poll_often;
use common::{jid, open, open_on, settings, text};
use hesitant::Hesitant;
use omemo::blocking::wait;
use omemo::local::{Delivery, Server};
use omemo::{Client, EncryptRequest, IncomingMessage, Namespace};
use omemo_storage::{
    AccountId, Batch, Committed, Cursor, ErrorKind, Metered, Page, Query, RecordInfo, Snapshot, Storage,
    StorageError,
};
use omemo_storage_memory::MemoryStorage;
use omemo_storage_sqlite::SqliteStorage;

fn next_message(connection: &omemo::local::Connection) -> IncomingMessage {
    loop {
        if let Delivery::Message(message) = connection.receive().unwrap() {
            return message;
        }
    }
}

/// What was under way when the connection was lost comes again from the archive, in other pieces.
#[test]
fn a_message_of_a_dropped_call_may_come_again_by_another() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let storage = Hesitant::new(MemoryStorage::new());
    let juliet = open_on(&server, "juliet@capulet.lit", "phone", storage);
    let page = |texts: [&str; 3]| {
        texts.map(|text| {
            romeo.send(&[&juliet.jid], text);
            next_message(&juliet.connection)
        })
    };
    let read = |messages: &[IncomingMessage]| -> Vec<Option<String>> {
        let outcomes = wait(juliet.client.decrypt_many(messages.to_vec())).unwrap();
        outcomes
            .iter()
            .map(|outcome| text(outcome.as_ref().unwrap()))
            .collect()
    };
    let some = |text: &str| Some(text.to_owned());
    for polls in 0..8 {
        // Alone, then in a page.
        let [first, second, _] = page(["alone", "then", "together"]);
        if poll_often(juliet.client.decrypt(first.clone()), polls).is_none() {
            assert_eq!(
                read(&[first.clone(), second.clone()]),
                [some("alone"), some("then")]
            );
        }
        assert_eq!(read(&[first]), [None], "handed out twice");

        // In a page, then in others, and alone.
        let messages = page(["one", "two", "three"]);
        if poll_often(juliet.client.decrypt_many(messages.to_vec()), polls).is_none() {
            assert_eq!(read(&messages[..1]), [some("one")]);
            let two = wait(juliet.client.decrypt(messages[1].clone())).unwrap();
            assert_eq!(text(&two), some("two"));
            assert_eq!(read(&messages[1..]), [None, some("three")]);
        }
        assert_eq!(read(&messages), [None, None, None], "handed out twice");
    }
}

/// What one call has read for another is not lost where the other then fails.
#[test]
fn a_message_of_a_dropped_call_outlives_a_failure() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let fails = Arc::new(AtomicBool::new(false));
    let storage = Hesitant::new(Troubled(MemoryStorage::new(), Arc::clone(&fails)));
    let juliet = open_on(&server, "juliet@capulet.lit", "phone", storage);
    let mut failed = 0;
    for polls in 0..8 {
        let page = ["one", "two"].map(|text| {
            romeo.send(&[&juliet.jid], text);
            next_message(&juliet.connection)
        });
        if poll_often(juliet.client.decrypt_many(page.to_vec()), polls).is_some() {
            break;
        }
        // The page is driven to its end without a load, if its commit was under way; then this call needs one.
        fails.store(true, Ordering::Relaxed);
        let first = wait(juliet.client.decrypt(page[0].clone()));
        failed += usize::from(first.is_err());
        fails.store(false, Ordering::Relaxed);
        for (message, says) in page.iter().zip(["one", "two"]) {
            let read = wait(juliet.client.decrypt(message.clone())).unwrap();
            assert_eq!(text(&read).as_deref(), Some(says), "dropped after {polls} polls");
        }
    }
    assert!(failed >= 5, "{failed}");
}

/// A storage whose loads fail while it is told so.
struct Troubled<S>(S, Arc<AtomicBool>);

impl<S: Storage> Storage for Troubled<S> {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        if self.1.load(Ordering::Relaxed) {
            return Err(StorageError::new(ErrorKind::Unavailable, "told to fail"));
        }
        self.0.load(account, query).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        self.0.commit(account, batch).await
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        self.0.accounts(after, limit).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        self.0.records(account, after, limit).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.0.purge(account).await
    }
}

#[test]
fn a_dropped_encrypt_uses_no_key_twice() {
    let server = Server::new();
    let romeo = open_on(
        &server,
        "romeo@montague.lit",
        "phone",
        Hesitant::new(MemoryStorage::new()),
    );
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    for polls in 0..12 {
        let request = || EncryptRequest::new(vec![juliet.jid.clone()], Namespace::OMEMO_2, vec![polls as u8]);
        let encrypted = match poll_often(romeo.client.encrypt(request()), polls) {
            Some(encrypted) => encrypted.unwrap(),
            None => wait(romeo.client.encrypt(request())).unwrap(),
        };
        for message in encrypted.complete().unwrap().messages {
            let decrypted = juliet.decrypt(IncomingMessage {
                sender: jid("romeo@montague.lit"),
                message,
            });
            // With a key that was used before it would be a repetition.
            assert_eq!(
                text(&decrypted.unwrap()),
                Some(char::from(polls as u8).to_string())
            );
        }
    }
}

#[test]
fn operations_of_one_client_take_turns() {
    let server = Server::new();
    let storage = Arc::new(Metered::new(MemoryStorage::new()));
    let romeo = open_on(
        &server,
        "romeo@montague.lit",
        "phone",
        Hesitant::new(Arc::clone(&storage)),
    );
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.send(&[&juliet.jid], "hello");
    storage.take();
    // Each is pending between its load and its commit, where the others would come in between.
    let all = (0..16).map(|n| {
        let request = EncryptRequest::new(vec![juliet.jid.clone()], Namespace::OMEMO_2, vec![n]);
        romeo.client.encrypt(request)
    });
    for encrypted in wait(futures_util::future::join_all(all)) {
        let _ = encrypted.unwrap();
    }
    let counts = storage.take();
    assert_eq!((counts.loads, counts.commits, counts.conflicts), (16, 16, 0));
}

/// A first contact with everything on SQLite, as a future.
async fn converse() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::new();
    let mut clients = Vec::new();
    for name in ["romeo@montague.lit", "juliet@capulet.lit"] {
        let storage = SqliteStorage::open(directory.path().join("both.sqlite"))
            .await
            .unwrap();
        let connection = server.connect(&jid(name), "phone");
        clients.push(
            Client::builder(settings(jid(name)), storage, connection)
                .catch_up(false)
                .open()
                .await
                .unwrap(),
        );
    }
    let request = EncryptRequest::new(
        vec![jid("juliet@capulet.lit")],
        Namespace::OMEMO_2,
        b"hello".to_vec(),
    );
    for message in clients[0]
        .encrypt(request)
        .await
        .unwrap()
        .complete()
        .unwrap()
        .messages
    {
        let sender = jid("romeo@montague.lit");
        let decrypted = clients[1]
            .decrypt(IncomingMessage { sender, message })
            .await
            .unwrap();
        assert_eq!(text(&decrypted).unwrap(), "hello");
    }
    assert!(clients[1].flush().await.unwrap().failed.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_on_tokio_with_many_threads() {
    tokio::spawn(converse()).await.unwrap();
}

#[tokio::test]
async fn runs_on_tokio_with_one_thread() {
    converse().await;
}

#[test]
fn runs_on_smol() {
    smol::block_on(smol::spawn(converse()));
}

#[test]
fn runs_without_any_executor() {
    wait(converse());
}
