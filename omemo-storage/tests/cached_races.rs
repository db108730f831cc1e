//! What a cache keeps is never behind what its own handle has seen through, whoever is overtaken by whom.
#![cfg(feature = "cached")]
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use common::{Hooked, account, batch, commit, everything, key, load, put, query, record, romeo, text, value};
use omemo_storage::blocking::wait;
use omemo_storage::{
    AccountId, Batch, Cached, Committed, Cursor, ErrorKind, Key, Metered, Page, Query, RecordInfo, Snapshot,
    Storage, StorageError,
};
use omemo_storage_memory::MemoryStorage;

type Over<S> = Arc<Cached<S>>;

fn hooked() -> (Over<Hooked<MemoryStorage>>, MemoryStorage) {
    let memory = MemoryStorage::new();
    (Arc::new(Cached::new(Hooked::new(memory.clone()))), memory)
}

fn metered() -> (Cached<Metered<MemoryStorage>>, MemoryStorage) {
    let memory = MemoryStorage::new();
    (Cached::new(Metered::new(memory.clone())), memory)
}

fn loads(storage: &Cached<Metered<MemoryStorage>>) -> u64 {
    storage.inner().take().loads
}

/// A batch that replaces the value of one record.
fn replacing(storage: &impl Storage, place: &Key, by: &str) -> Batch {
    let mut batch = batch();
    let expected = record(storage, &romeo(), place).map(|record| record.revision);
    batch.put(place.clone(), expected, text(by));
    batch
}

#[test]
fn what_was_asked_for_or_written_costs_no_load() {
    let (storage, memory) = metered();
    let (a, b, c) = (key("p", "a"), key("p", "b"), key("q", "c"));
    put(&memory, &romeo(), &a, None, "zero");
    let all = query(&[&c], &["p"]);
    assert!(!load(&storage, &romeo(), &all).from_cache);
    let mut one = replacing(&storage, &a, "one");
    one.put(c.clone(), None, text("two"));
    assert_eq!(loads(&storage), 1);

    assert_eq!(commit(&storage, &romeo(), &one), Committed::Applied);
    let snapshot = load(&storage, &romeo(), &all);
    assert!(snapshot.from_cache);
    assert_eq!(snapshot.records.len(), 2);
    assert_eq!(snapshot.records[&a].revision, one.id().into());
    // An item of a partition that is known whole, and an absence that was asked for.
    assert_eq!(value(&storage, &romeo(), &b), None);
    let mut delete = batch();
    delete.delete(c.clone(), Some(one.id().into()));
    assert_eq!(commit(&storage, &romeo(), &delete), Committed::Applied);
    assert_eq!(value(&storage, &romeo(), &c), None);
    assert_eq!(loads(&storage), 0);
    // Other items of a partition of which one is known are not.
    assert_eq!(value(&storage, &romeo(), &key("q", "d")), None);
    assert_eq!(load(&storage, &romeo(), &query(&[], &["q"])).records.len(), 0);
    assert_eq!(loads(&storage), 2);
}

#[test]
fn what_is_lacking_is_loaded_alone() {
    struct Asked(MemoryStorage, std::sync::Mutex<Vec<Query>>);

    impl Storage for Asked {
        async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
            self.1.lock().unwrap().push(query.clone());
            self.0.load(account, query).await
        }

        async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
            self.0.commit(account, batch).await
        }

        async fn accounts(
            &self,
            after: Option<&Cursor>,
            limit: usize,
        ) -> Result<Page<AccountId>, StorageError> {
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

    let storage = Cached::new(Asked(MemoryStorage::new(), Default::default()));
    let (a, c, d) = (key("p", "a"), key("q", "c"), key("q", "d"));
    for place in [&a, &c, &d] {
        put(&storage, &romeo(), place, None, "value");
    }
    let asked = || std::mem::take(&mut *storage.inner().1.lock().unwrap());
    load(&storage, &romeo(), &query(&[&c], &["p"]));
    asked();
    let snapshot = load(&storage, &romeo(), &query(&[&a, &c, &d], &["p", "r"]));
    assert!(snapshot.from_cache);
    assert_eq!(snapshot.records.len(), 3);
    assert_eq!(asked(), [query(&[&d], &["r"])]);
}

#[test]
fn a_load_that_was_overtaken_by_a_commit_is_not_kept() {
    for whole in [false, true] {
        let (storage, memory) = hooked();
        let place = key("p", "a");
        put(&memory, &romeo(), &place, None, "old");
        let wanted = match whole {
            true => query(&[], &["p"]),
            false => query(&[&place], &[]),
        };
        // The answer is on its way when the record is replaced through the same handle.
        let (other, late) = (storage.clone(), replacing(&memory, &place, "new"));
        storage
            .inner()
            .after_next_load(move || assert_eq!(commit(&other, &romeo(), &late), Committed::Applied));
        let overtaken = load(&storage, &romeo(), &wanted);
        assert_eq!(overtaken.records[&place].value, text("old"));
        assert_eq!(
            value(&storage, &romeo(), &place).unwrap(),
            "new",
            "whole: {whole}"
        );
    }
}

#[test]
fn a_load_during_a_commit_is_not_kept() {
    let place = key("p", "a");
    // Whether the record is known beforehand, and whether it is read before or after the storage inside has applied.
    for (known, before) in [(false, false), (false, true), (true, false), (true, true)] {
        let (storage, memory) = hooked();
        put(&memory, &romeo(), &place, None, "old");
        if known {
            assert_eq!(value(&storage, &romeo(), &place).unwrap(), "old");
        }
        let next = replacing(&memory, &place, "new");
        let reader = storage.clone();
        let read = move |expected: &'static str| {
            move || assert_eq!(value(&reader, &romeo(), &key("p", "a")).unwrap(), expected)
        };
        // The commit is under way: readers get what the storage inside has, and leave nothing behind.
        match before {
            true => storage.inner().before_next_commit(read("old")),
            false => storage.inner().after_next_commit(read("new")),
        }
        assert_eq!(commit(&storage, &romeo(), &next), Committed::Applied);
        assert_eq!(value(&storage, &romeo(), &place).unwrap(), "new");
    }
}

#[test]
fn a_load_that_spans_a_whole_commit_is_not_kept() {
    let (storage, memory) = hooked();
    let (a, b) = (key("p", "a"), key("q", "b"));
    put(&memory, &romeo(), &a, None, "old");
    put(&memory, &romeo(), &b, None, "old");
    let mut both = replacing(&memory, &a, "new");
    let revision = record(&memory, &romeo(), &b).unwrap().revision;
    both.put(b.clone(), Some(revision), text("new"));
    assert_eq!(value(&storage, &romeo(), &a).unwrap(), "old");
    // One part is known, the other is read, and then both change: together they would be of no moment.
    let other = storage.clone();
    storage
        .inner()
        .after_next_load(move || assert_eq!(commit(&other, &romeo(), &both), Committed::Applied));
    let snapshot = load(&storage, &romeo(), &query(&[&a, &b], &[]));
    let values: Vec<_> = snapshot
        .records
        .values()
        .map(|record| record.value.clone())
        .collect();
    assert_eq!(values, [text("new"), text("new")]);
}

#[test]
fn two_commits_at_once_leave_nothing_stale() {
    for conflict in [false, true] {
        let (storage, memory) = hooked();
        let (a, b) = (key("p", "a"), key("p", "b"));
        put(&memory, &romeo(), &a, None, "old");
        put(&memory, &romeo(), &b, None, "old");
        load(&storage, &romeo(), &query(&[], &["p"]));
        let first = replacing(&memory, &a, "first");
        let mut second = replacing(&memory, &b, "second");
        if conflict {
            second.put(b.clone(), None, text("second"));
        }
        let other = storage.clone();
        storage.inner().before_next_commit(move || {
            let expected = [Committed::Applied, Committed::Conflict][usize::from(conflict)];
            assert_eq!(commit(&other, &romeo(), &second), expected);
            load(&other, &romeo(), &query(&[], &["p"]));
        });
        assert_eq!(commit(&storage, &romeo(), &first), Committed::Applied);
        assert_eq!(value(&storage, &romeo(), &a).unwrap(), "first");
        let expected = ["second", "old"][usize::from(conflict)];
        assert_eq!(value(&storage, &romeo(), &b).unwrap(), expected);
    }
}

#[test]
fn a_conflict_drops_what_the_batch_names_with_its_partitions() {
    let (storage, memory) = metered();
    let (a, b, other) = (key("p", "a"), key("q", "b"), key("r", "c"));
    for place in [&a, &b, &other] {
        put(&memory, &romeo(), place, None, "old");
    }
    let all = query(&[], &["p", "q", "r"]);
    load(&storage, &romeo(), &all);
    // Another process replaces one, and adds a second item.
    let theirs = replacing(&memory, &a, "theirs");
    assert_eq!(commit(&memory, &romeo(), &theirs), Committed::Applied);
    put(&memory, &romeo(), &key("q", "added"), None, "theirs");
    let mut ours = replacing(&storage, &a, "ours");
    ours.expect(
        b.clone(),
        record(&storage, &romeo(), &b).map(|record| record.revision),
    );
    loads(&storage);
    assert_eq!(commit(&storage, &romeo(), &ours), Committed::Conflict);
    assert_eq!(value(&storage, &romeo(), &other).unwrap(), "old");
    assert_eq!(loads(&storage), 0);
    let fresh = load(&storage, &romeo(), &all);
    assert_eq!(loads(&storage), 1);
    assert_eq!(
        (fresh.records.len(), &fresh.records[&a].value),
        (4, &text("theirs"))
    );
}

#[test]
fn a_validation_finds_out_that_the_cache_is_behind() {
    let (storage, memory) = metered();
    let place = key("p", "a");
    assert_eq!(value(&storage, &romeo(), &place), None);
    put(&memory, &romeo(), &place, None, "theirs");
    let validate = |storage: &Cached<_>| {
        let mut validate = batch();
        let known = record(storage, &romeo(), &place);
        validate.expect(place.clone(), known.map(|record| record.revision));
        commit(storage, &romeo(), &validate)
    };
    assert_eq!(validate(&storage), Committed::Conflict);
    loads(&storage);
    assert_eq!(validate(&storage), Committed::Applied);
    assert_eq!(loads(&storage), 1);
    // What was validated stays.
    assert_eq!(validate(&storage), Committed::Applied);
    assert_eq!(loads(&storage), 0);
}

#[test]
fn a_failed_commit_drops_what_it_names() {
    let (storage, _) = metered();
    let place = key("p", "a");
    put(&storage, &romeo(), &place, None, "old");
    value(&storage, &romeo(), &place);
    let mut large = replacing(&storage, &place, "new");
    large.put(key("q", "b"), None, vec![0; omemo_storage::MAX_VALUE + 1].into());
    loads(&storage);
    let error = wait(storage.commit(&romeo(), &large)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(value(&storage, &romeo(), &place).unwrap(), "old");
    assert_eq!(loads(&storage), 1);
}

/// Applies a commit and never says so, unless it is sent again.
#[derive(Default)]
struct Silent(MemoryStorage);

impl Storage for Silent {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        self.0.load(account, query).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        let _ = self.0.commit(account, batch).await?;
        std::future::pending().await
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
fn a_commit_whose_future_is_dropped_drops_what_it_names() {
    let storage = Cached::new(Silent::default());
    let place = key("p", "a");
    put(&storage.inner().0, &romeo(), &place, None, "old");
    let next = replacing(&storage, &place, "new");
    {
        let romeo = romeo();
        let mut lost = pin!(storage.commit(&romeo, &next));
        let mut context = Context::from_waker(Waker::noop());
        assert!(lost.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(value(&storage, &romeo(), &place).unwrap(), "new");
    // And loads are kept again afterwards.
    assert!(load(&storage, &romeo(), &query(&[&place], &[])).from_cache);
}

/// A batch that was applied, and what it created deleted again.
fn applied_and_undone(storage: &impl Storage, place: &Key) -> Batch {
    let mut create = batch();
    create.put(place.clone(), None, text("of long ago"));
    assert_eq!(commit(storage, &romeo(), &create), Committed::Applied);
    let mut delete = batch();
    delete.delete(place.clone(), Some(create.id().into()));
    assert_eq!(commit(storage, &romeo(), &delete), Committed::Applied);
    create
}

#[test]
fn a_batch_sent_again_is_not_entered() {
    let (storage, memory) = metered();
    let place = key("p", "a");
    assert_eq!(value(&storage, &romeo(), &place), None);
    let again = applied_and_undone(&storage, &place);
    // The record is known to be absent, as the batch relies on. But it was applied long ago.
    assert_eq!(value(&storage, &romeo(), &place), None);
    assert_eq!(commit(&storage, &romeo(), &again), Committed::Applied);
    assert_eq!(value(&storage, &romeo(), &place), None);
    assert!(everything(&memory, &romeo()).records.is_empty());
}

/// A new handle does not know what was sent before it was there.
#[test]
fn a_batch_that_another_handle_has_sent_is_not_entered() {
    let (storage, memory) = metered();
    let place = key("p", "a");
    let again = applied_and_undone(&memory, &place);
    for whole in [false, true] {
        let wanted = match whole {
            true => query(&[], &["p"]),
            false => query(&[&place], &[]),
        };
        assert!(load(&storage, &romeo(), &wanted).records.is_empty());
        assert_eq!(commit(&storage, &romeo(), &again), Committed::Applied);
        assert!(
            load(&storage, &romeo(), &wanted).records.is_empty(),
            "whole: {whole}"
        );
    }
}

/// It was sent by this handle, and applied only when nobody waited for it any more: after what the handle knows was
/// loaded. So that what it replaces is known to be as it expects says nothing.
#[test]
fn a_batch_sent_again_is_not_entered_though_what_it_replaces_seems_to_be_there() {
    let (storage, memory) = hooked();
    let (old, new) = (key("p", "old"), key("q", "new"));
    put(&memory, &romeo(), &old, None, "old");
    let mut lost = replacing(&storage, &old, "replaced");
    lost.put(new.clone(), None, text("created"));
    storage
        .inner()
        .before_next_commit(|| std::panic::resume_unwind(Box::new("the connection is lost")));
    let sent = catch_unwind(AssertUnwindSafe(|| commit(&storage, &romeo(), &lost)));
    assert!(sent.is_err());

    assert_eq!(value(&storage, &romeo(), &old).unwrap(), "old");
    assert_eq!(commit(&memory, &romeo(), &lost), Committed::Applied);
    assert_eq!(value(&storage, &romeo(), &new).unwrap(), "created");
    let mut delete = batch();
    delete.delete(new.clone(), Some(lost.id().into()));
    assert_eq!(commit(&storage, &romeo(), &delete), Committed::Applied);
    assert_eq!(value(&storage, &romeo(), &new), None);

    assert_eq!(commit(&storage, &romeo(), &lost), Committed::Applied);
    assert_eq!(value(&storage, &romeo(), &new), None);
}

#[test]
fn a_purge_forgets_the_account_and_no_other() {
    let (storage, memory) = hooked();
    let place = key("p", "a");
    let other = account("romeo@montague.lit.example");
    for account in [&romeo(), &other] {
        put(&memory, account, &place, None, "old");
        assert_eq!(value(&storage, account, &place).unwrap(), "old");
    }
    // A load is overtaken by the purge.
    put(&memory, &romeo(), &key("q", "b"), None, "old");
    let purging = storage.clone();
    storage
        .inner()
        .after_next_load(move || wait(purging.purge(&romeo())).unwrap());
    assert_eq!(load(&storage, &romeo(), &query(&[], &["q"])).records.len(), 1);
    assert!(
        load(&storage, &romeo(), &query(&[], &["p", "q"]))
            .records
            .is_empty()
    );
    assert!(load(&storage, &other, &query(&[&place], &[])).from_cache);
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let memory = MemoryStorage::new();
    let storage = Cached::new(Metered::new(memory.clone())).capacity(10_000);
    for partition in ["a", "b", "c"] {
        put(&memory, &romeo(), &key(partition, "i"), None, &"v".repeat(4_000));
    }
    let cached = |partition: &str| load(&storage, &romeo(), &query(&[], &[partition])).from_cache;
    assert_eq!(["a", "b", "a", "c"].map(cached), [false, false, true, false]);
    // There is room for two: b had to go.
    assert_eq!(
        ["a", "c", "b", "c", "a"].map(cached),
        [true, true, false, true, false]
    );
    // What does not fit is answered all the same.
    put(&memory, &romeo(), &key("d", "i"), None, &"v".repeat(20_000));
    assert_eq!(["d", "d"].map(cached), [false, false]);
    assert_eq!(loads(&storage), 7);
}

#[test]
fn what_is_too_old_is_loaded_again() {
    let (storage, memory) = metered();
    let place = key("p", "a");
    put(&memory, &romeo(), &place, None, "value");
    for (age, expected) in [(Duration::ZERO, false), (Duration::MAX, true)] {
        let storage = Cached::new(memory.clone()).max_age(age);
        load(&storage, &romeo(), &query(&[&place], &[]));
        let again = load(&storage, &romeo(), &query(&[&place], &[]));
        assert_eq!((again.from_cache, again.records.len()), (expected, 1));
        // Asked for whole, the partition is begun anew.
        assert!(!load(&storage, &romeo(), &query(&[], &["p"])).from_cache);
        assert_eq!(value(&storage, &romeo(), &place).unwrap(), "value");
        assert_eq!(
            load(&storage, &romeo(), &query(&[&place], &[])).from_cache,
            expected
        );
    }
    // Without a bound of its age it stays.
    load(&storage, &romeo(), &query(&[&place], &[]));
    assert!(load(&storage, &romeo(), &query(&[&place], &[])).from_cache);
}

#[test]
fn secrets_are_not_printed() {
    let (storage, _) = metered();
    put(&storage, &romeo(), &key("p", "a"), None, "value");
    assert_eq!(format!("{storage:?}"), "Cached");
}
