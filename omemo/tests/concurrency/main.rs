//! Many at once: threads on one client, processes on one file.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod processes;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;

use common::{open, open_on, text};
use futures_util::future::join_all;
use omemo::blocking::wait;
use omemo::local::Server;
use omemo::{EncryptRequest, EncryptedMessage, IncomingMessage, Namespace};
use omemo_sansio::KeyElement;
use omemo_sansio::protocol::{Omemo2, Protocol};
use omemo_storage::{
    AccountId, Batch, Committed, Cursor, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};
use omemo_storage_memory::MemoryStorage;
use omemo_storage_sqlite::SqliteStorage;

/// The ratchet key and number of every key element: the same pair twice would be the same message key twice.
fn message_keys(messages: &[EncryptedMessage]) -> Vec<([u8; 32], u32)> {
    let elements = messages
        .iter()
        .flat_map(|message| &message.recipients)
        .flat_map(|recipient| &recipient.keys);
    let header = |element: &KeyElement| {
        let incoming = Omemo2.parse(&element.data).unwrap();
        let header = incoming.message.header();
        (*header.ratchet_key.as_bytes(), header.n)
    };
    elements.map(header).collect()
}

fn assert_distinct(messages: &[EncryptedMessage]) {
    let keys = message_keys(messages);
    assert_eq!(
        keys.iter().collect::<BTreeSet<_>>().len(),
        keys.len(),
        "a message key was used twice"
    );
}

/// A storage that answers nothing before so many calls of the client are under way.
struct Gathering<S> {
    inner: S,
    under_way: Arc<AtomicUsize>,
    awaited: usize,
}

impl<S> Gathering<S> {
    async fn gather(&self) {
        let gathered = |context: &mut Context<'_>| {
            if self.under_way.load(Ordering::SeqCst) >= self.awaited {
                return Poll::Ready(());
            }
            thread::yield_now();
            context.waker().wake_by_ref();
            Poll::Pending
        };
        poll_fn(gathered).await;
    }
}

impl<S: Storage> Storage for Gathering<S> {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        self.gather().await;
        self.inner.load(account, query).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        self.inner.commit(account, batch).await
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        self.inner.accounts(after, limit).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        self.inner.records(account, after, limit).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.inner.purge(account).await
    }
}

/// Eight threads, each with eight calls at once.
fn sixty_four_messages_at_once(storage: impl Storage) {
    let server = Server::new();
    let under_way = Arc::new(AtomicUsize::new(64));
    let storage = Gathering {
        inner: storage,
        under_way: Arc::clone(&under_way),
        awaited: 64,
    };
    let romeo = open_on(&server, "romeo@montague.lit", "phone", storage);
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.send(&[&juliet.jid], "a session is open");
    assert_eq!(juliet.texts(), ["a session is open"]);
    under_way.store(0, Ordering::SeqCst);
    let one = async |text: String| {
        let request = EncryptRequest::new(vec![juliet.jid.clone()], Namespace::OMEMO_2, text.into_bytes());
        under_way.fetch_add(1, Ordering::SeqCst);
        let encrypted = romeo.client.encrypt(request).await.unwrap();
        encrypted.complete().unwrap().messages
    };
    let messages = thread::scope(|scope| {
        let eight = |thread| move || wait(join_all((0..8).map(|n| one(format!("{thread}/{n}")))));
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(eight(thread))).collect();
        let joined = threads.into_iter().flat_map(|thread| thread.join().unwrap());
        joined.flatten().collect::<Vec<_>>()
    });
    assert_eq!(messages.len(), 64);
    assert_distinct(&messages);
    let texts: BTreeSet<_> = messages
        .into_iter()
        .map(|message| {
            let sender = romeo.jid.clone();
            let decrypted = juliet.decrypt(IncomingMessage { sender, message }).unwrap();
            text(&decrypted).unwrap()
        })
        .collect();
    assert_eq!(texts.len(), 64);
}

#[test]
fn sixty_four_messages_at_once_use_sixty_four_keys_in_memory() {
    sixty_four_messages_at_once(MemoryStorage::new());
}

#[test]
fn sixty_four_messages_at_once_use_sixty_four_keys_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("romeo.sqlite");
    sixty_four_messages_at_once(wait(SqliteStorage::open(file)).unwrap());
}

#[test]
fn two_clients_of_one_account_in_one_process_share_its_sessions() {
    let server = Server::new();
    let storage = MemoryStorage::new();
    let one = open_on(&server, "romeo@montague.lit", "phone", storage.clone());
    let other = open_on(&server, "romeo@montague.lit", "phone", storage);
    assert_eq!(one.client.device(), other.client.device());
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let messages = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for device in [&one, &other] {
            let (juliet, messages) = (&juliet, &messages);
            scope.spawn(move || {
                for n in 0..50 {
                    let encrypted = device.encrypt(&[&juliet.jid], &n.to_string()).unwrap();
                    messages.lock().unwrap().extend(encrypted.messages);
                }
            });
        }
    });
    let messages = messages.into_inner().unwrap();
    assert_eq!(messages.len(), 100);
    assert_distinct(&messages);
    for message in messages {
        let _ = juliet
            .decrypt(IncomingMessage {
                sender: one.jid.clone(),
                message,
            })
            .unwrap();
    }
}
