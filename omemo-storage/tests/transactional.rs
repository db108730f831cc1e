//! The application's writes ride along through the wrappers.
#![cfg(all(feature = "cached", feature = "sealed"))]
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use common::{Hooked, batch, commit, key, load, put, query, romeo, text, value};
use omemo_storage::blocking::wait;
use omemo_storage::{
    AccountId, Batch, Cached, Committed, Companion, Cursor, ErrorKind, MasterKey, Page, Query, RecordInfo,
    Sealed, Snapshot, Storage, StorageError, Transactional,
};
use omemo_storage_memory::MemoryStorage;

/// What the application writes is a list of notes.
type Notes = Arc<Mutex<Vec<&'static str>>>;

#[derive(Default)]
struct WithNotes {
    inner: Hooked<MemoryStorage>,
    notes: Notes,
    /// The next transaction is found to conflict when it ends, and all of it vanishes.
    vanishes: AtomicBool,
}

impl Storage for WithNotes {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
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

impl Transactional for WithNotes {
    type Transaction = Notes;

    async fn commit_with<C>(
        &self,
        account: &AccountId,
        batch: &Batch,
        companion: C,
    ) -> Result<Committed, StorageError>
    where
        C: for<'t> FnOnce(&'t mut Notes) -> Companion<'t> + Send,
    {
        if self.vanishes.swap(false, Ordering::Relaxed) {
            // What is noted here is gone.
            companion(&mut Notes::default()).await.unwrap();
            let _ = self.inner.load(account, &Query::new()).await?;
            return Ok(Committed::Conflict);
        }
        let committed = self.inner.commit(account, batch).await?;
        if committed == Committed::Applied {
            let written = companion(&mut self.notes.clone()).await;
            written.map_err(|why| StorageError::new(ErrorKind::Companion, "no note").with_source(why))?;
        }
        Ok(committed)
    }
}

fn note(text: &'static str) -> impl for<'t> FnOnce(&'t mut Notes) -> Companion<'t> + Send {
    move |notes| {
        Box::pin(async move {
            notes.lock().unwrap().push(text);
            Ok(())
        })
    }
}

fn commit_with(
    storage: &impl Transactional<Transaction = Notes>,
    batch: &Batch,
    text: &'static str,
) -> Committed {
    wait(storage.commit_with(&romeo(), batch, note(text))).unwrap()
}

fn master() -> MasterKey {
    MasterKey::from_bytes([1; 32])
}

#[test]
fn a_rotation_on_the_way_neither_repeats_nor_loses_the_applications_writes() {
    let memory = MemoryStorage::new();
    let storage = Sealed::new(
        WithNotes {
            inner: Hooked::new(memory.clone()),
            ..WithNotes::default()
        },
        master(),
    );
    let place = key("p", "a");
    let revision = put(&storage, &romeo(), &place, None, "before");
    let operator = Sealed::new(memory, master());
    storage.inner().inner.before_next_commit(move || {
        wait(operator.renew_data_key(&romeo())).unwrap();
    });
    let mut next = batch();
    next.put(place.clone(), Some(revision), text("after"));
    assert_eq!(commit_with(&storage, &next, "noted"), Committed::Applied);
    assert_eq!(value(&storage, &romeo(), &place).unwrap(), "after");
    let mut stale = batch();
    stale.put(place.clone(), Some(revision), text("stale"));
    assert_eq!(commit_with(&storage, &stale, "never noted"), Committed::Conflict);
    assert_eq!(*storage.inner().notes.lock().unwrap(), ["noted"]);
}

#[test]
fn writes_that_ran_and_vanished_are_the_callers_to_repeat() {
    let memory = MemoryStorage::new();
    let inner = WithNotes {
        inner: Hooked::new(memory.clone()),
        ..WithNotes::default()
    };
    let storage = Sealed::new(inner, master());
    let place = key("p", "a");
    let revision = put(&storage, &romeo(), &place, None, "before");
    // The keys are renewed as well, which by itself would be a reason to send the batch again.
    let operator = Sealed::new(memory, master());
    storage.inner().inner.after_next_load(move || {
        wait(operator.renew_data_key(&romeo())).unwrap();
    });
    storage.inner().vanishes.store(true, Ordering::Relaxed);
    let mut next = batch();
    next.put(place.clone(), Some(revision), text("after"));
    assert_eq!(commit_with(&storage, &next, "first"), Committed::Conflict);
    assert_eq!(commit_with(&storage, &next, "second"), Committed::Applied);
    assert_eq!(*storage.inner().notes.lock().unwrap(), ["second"]);
}

#[test]
fn a_cache_follows_commits_that_carry_more() {
    let storage = Cached::new(WithNotes::default());
    let place = key("p", "a");
    let before = put(storage.inner(), &romeo(), &place, None, "before");
    assert_eq!(value(&storage, &romeo(), &place).unwrap(), "before");
    let mut first = batch();
    first.put(place.clone(), Some(before), text("first"));
    assert_eq!(commit_with(&storage, &first, "first"), Committed::Applied);
    let kept = load(&storage, &romeo(), &query(&[&place], &[]));
    assert!(kept.from_cache);
    assert_eq!(kept.records[&place].value, text("first"));

    // Others write; a conflict through this door is one as well.
    let mut theirs = batch();
    theirs.put(place.clone(), Some(first.id().into()), text("theirs"));
    assert_eq!(commit(storage.inner(), &romeo(), &theirs), Committed::Applied);
    let mut late = batch();
    late.put(place.clone(), Some(first.id().into()), text("late"));
    assert_eq!(commit_with(&storage, &late, "late"), Committed::Conflict);
    assert_eq!(value(&storage, &romeo(), &place).unwrap(), "theirs");
    assert_eq!(*storage.inner().notes.lock().unwrap(), ["first"]);
}
