//! Commits whose answers are lost.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use omemo::Error;
use omemo::local::Server;
use omemo_storage::{
    AccountId, Batch, Committed, Cursor, ErrorKind, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};
use omemo_storage_memory::MemoryStorage;

use crate::common::{open, open_on, text};
use crate::messages;

/// How often each of these still happens.
#[derive(Default)]
struct Trouble {
    /// A commit goes through, and never answers.
    mute: AtomicU32,
    /// A commit goes through, and its answer is lost. From then on so many loads fail.
    lost: AtomicU32,
    unread_after: AtomicU32,
    /// A commit fails, and says so.
    refused: AtomicU32,
    /// A commit meets a conflict: its id is forgotten.
    conflict: AtomicU32,
    /// A load fails. The last of them fails the test.
    unread: AtomicU32,
}

fn happens(trouble: &AtomicU32) -> bool {
    let less = |left: u32| left.checked_sub(1);
    trouble
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
        .is_ok()
}

#[derive(Clone, Default)]
struct Troubled {
    inner: MemoryStorage,
    trouble: Arc<Trouble>,
}

fn unavailable() -> StorageError {
    StorageError::new(ErrorKind::Unavailable, "not now")
}

impl Storage for Troubled {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        if happens(&self.trouble.unread) {
            let left = self.trouble.unread.load(Ordering::SeqCst);
            assert!(left > 0, "a storage that does not answer was asked without end");
            return Err(unavailable());
        }
        self.inner.load(account, query).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        if happens(&self.trouble.mute) {
            let _ = self.inner.commit(account, batch).await?;
            return std::future::pending().await;
        }
        if happens(&self.trouble.lost) {
            let _ = self.inner.commit(account, batch).await?;
            let unread = self.trouble.unread_after.load(Ordering::SeqCst);
            self.trouble.unread.store(unread, Ordering::SeqCst);
            return Err(StorageError::new(ErrorKind::OutcomeUnknown, "lost"));
        }
        if happens(&self.trouble.refused) {
            return Err(unavailable());
        }
        if happens(&self.trouble.conflict) {
            return Ok(Committed::Conflict);
        }
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
    let unknown =
        |error: &Error| matches!(error, Error::Storage(error) if error.kind() == ErrorKind::OutcomeUnknown);
    match first {
        Err(error) => assert!(unknown(&error), "{error}"),
        Ok(decrypted) => panic!("{decrypted:?}"),
    }
    storage.trouble.unread.store(0, Ordering::SeqCst);
    assert_eq!(text(&juliet.decrypt(message).unwrap()).as_deref(), Some("hello"));
}
