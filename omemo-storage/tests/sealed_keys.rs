//! Keys of accounts: created once, rotated while others work, and never used when they do not count.
#![cfg(feature = "sealed")]
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::num::NonZeroUsize;
use std::sync::Arc;

use common::{Hooked, account, batch, commit, everything, key, load, put, query, record, romeo, text, value};
use omemo_storage::blocking::wait;
use omemo_storage::{
    AccountId, Committed, Counts, ErrorKind, Keyring, MasterKey, Metered, Rekeyed, RekeyedAll, Sealed,
    Storage, StorageError,
};
use omemo_storage_memory::MemoryStorage;

const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];

fn master(bytes: [u8; 32]) -> MasterKey {
    MasterKey::from_bytes(bytes)
}

fn sealed<S: Storage>(inner: S) -> Sealed<S> {
    Sealed::new(inner, master(OLD))
}

/// A client in the time of rotation: it wraps by the new key, and knows the old one.
fn with_both<S: Storage>(inner: S) -> Sealed<S> {
    Sealed::new(inner, Keyring::new(master(NEW)).with_older(master(OLD)))
}

/// A client that knows the new key, and still wraps by the old one.
fn not_switched_yet<S: Storage>(inner: S) -> Sealed<S> {
    Sealed::new(inner, Keyring::new(master(OLD)).with_older(master(NEW)))
}

fn costs<S>(storage: &Sealed<Arc<Metered<S>>>) -> (u64, u64) {
    let Counts { loads, commits, .. } = storage.inner().take();
    (loads, commits)
}

fn metered() -> (Sealed<Arc<Metered<MemoryStorage>>>, MemoryStorage) {
    let memory = MemoryStorage::new();
    (sealed(Arc::new(Metered::new(memory.clone()))), memory)
}

fn assert_error<T>(result: Result<T, StorageError>, kind: ErrorKind, says: &str) {
    let error = result.err().unwrap();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(says), "{error}");
    assert!(!format!("{error:?}").contains("romeo"), "{error:?}");
}

#[test]
fn a_warm_account_costs_one_load_and_one_commit() {
    let (storage, memory) = metered();
    let records = [key("p", "a"), key("q", "b")];
    // The first use looks for keys, then creates them, then commits.
    let mut revision = put(&storage, &romeo(), &records[0], None, "first");
    assert_eq!(costs(&storage), (1, 2));
    for _ in 0..3 {
        revision = put(&storage, &romeo(), &records[0], Some(revision), "next");
        assert_eq!(costs(&storage), (0, 1));
        load(
            &storage,
            &romeo(),
            &query(&[&records[0], &records[1]], &["p", "r"]),
        );
        assert_eq!(costs(&storage), (1, 0));
    }
    // Another process pays one load, once.
    let other = sealed(Arc::new(Metered::new(memory)));
    assert_eq!(value(&other, &romeo(), &records[0]).unwrap(), "next");
    assert_eq!(costs(&other), (2, 0));
    assert_eq!(value(&other, &romeo(), &records[0]).unwrap(), "next");
    put(&other, &romeo(), &records[1], None, "value");
    assert_eq!(costs(&other), (1, 1));
}

#[test]
fn an_account_without_keys_costs_one_load() {
    let (storage, _) = metered();
    for _ in 0..2 {
        assert!(load(&storage, &romeo(), &query(&[], &["p"])).records.is_empty());
        assert_eq!(costs(&storage), (1, 0));
    }
    // To validate that nothing is there creates nothing.
    let mut validate = batch();
    validate.expect(key("p", "a"), None);
    assert_eq!(commit(&storage, &romeo(), &validate), Committed::Applied);
    assert_eq!(costs(&storage), (1, 1));
    let mut impossible = batch();
    impossible.put(key("p", "a"), Some(validate.id().into()), text("value"));
    assert_eq!(commit(&storage, &romeo(), &impossible), Committed::Conflict);
    assert!(everything(storage.inner(), &romeo()).records.is_empty());
}

#[test]
fn a_conflict_costs_one_load() {
    let (storage, _) = metered();
    let place = key("p", "a");
    put(&storage, &romeo(), &place, None, "first");
    costs(&storage);
    let mut second = batch();
    second.put(place.clone(), None, text("second"));
    assert_eq!(commit(&storage, &romeo(), &second), Committed::Conflict);
    assert_eq!(costs(&storage), (1, 1));
    assert_eq!(value(&storage, &romeo(), &place).unwrap(), "first");
}

#[test]
fn keys_that_are_not_in_memory_are_loaded_again() {
    let inner = Arc::new(Metered::new(MemoryStorage::new()));
    let storage = sealed(inner).known_accounts(NonZeroUsize::MIN);
    let accounts = [romeo(), account("juliet@capulet.lit")];
    for account in &accounts {
        put(&storage, account, &key("p", "a"), None, account.as_str());
    }
    for account in accounts.iter().chain(&accounts) {
        costs(&storage);
        assert_eq!(
            value(&storage, account, &key("p", "a")).unwrap(),
            account.as_str()
        );
        assert_eq!(costs(&storage), (2, 0));
    }
}

#[test]
fn of_two_who_begin_an_account_both_write_by_the_keys_of_one() {
    let memory = MemoryStorage::new();
    let one = Arc::new(sealed(memory.clone()));
    let other = sealed(Hooked::new(memory.clone()));
    let first = one.clone();
    // It found no keys; before it has written its own, someone else has.
    other.inner().before_next_commit(move || {
        put(&first, &romeo(), &key("p", "one"), None, "one");
    });
    put(&other, &romeo(), &key("p", "other"), None, "other");
    for storage in [&*one, &sealed(memory)] {
        for name in ["one", "other"] {
            assert_eq!(value(storage, &romeo(), &key("p", name)).unwrap(), name);
        }
    }
    assert_eq!(value(&other, &romeo(), &key("p", "one")).unwrap(), "one");
}

#[test]
fn a_purge_by_someone_else_is_no_conflict() {
    let memory = MemoryStorage::new();
    let (ours, theirs) = (sealed(memory.clone()), sealed(memory.clone()));
    let place = key("p", "a");
    put(&ours, &romeo(), &place, None, "before");
    wait(theirs.purge(&romeo())).unwrap();
    assert_eq!(value(&ours, &romeo(), &place), None);
    put(&ours, &romeo(), &place, None, "after");
    // And once more, with new keys in between.
    wait(theirs.purge(&romeo())).unwrap();
    put(&theirs, &romeo(), &key("p", "b"), None, "theirs");
    assert_eq!(load(&ours, &romeo(), &query(&[], &["p"])).records.len(), 1);
    wait(theirs.purge(&romeo())).unwrap();
    put(&theirs, &romeo(), &key("p", "b"), None, "theirs");
    put(&ours, &romeo(), &place, None, "ours");
    for storage in [ours, theirs] {
        assert_eq!(value(&storage, &romeo(), &place).unwrap(), "ours");
        assert_eq!(value(&storage, &romeo(), &key("p", "b")).unwrap(), "theirs");
    }
    assert_eq!(everything(&memory, &romeo()).records.len(), 3);
}

#[test]
fn keys_that_go_while_a_load_is_under_way_leave_no_wrong_answer() {
    let memory = MemoryStorage::new();
    let storage = sealed(Hooked::new(memory.clone()));
    let place = key("p", "a");
    put(&storage, &romeo(), &place, None, "before");
    // A stranger to these keys loads them; before it loads the record, the account is another.
    let stranger = sealed(Hooked::new(memory.clone()));
    stranger.inner().after_next_load(move || {
        wait(memory.purge(&romeo())).unwrap();
        put(&sealed(memory), &romeo(), &key("p", "a"), None, "after");
    });
    assert_eq!(value(&stranger, &romeo(), &place).unwrap(), "after");
}

#[test]
fn a_new_master_key_rewraps_one_record_and_disturbs_nobody() {
    let memory = MemoryStorage::new();
    let place = key("p", "a");
    let (client, operator) = (with_both(memory.clone()), with_both(memory.clone()));
    let before = sealed(memory.clone());
    let revision = put(&before, &romeo(), &place, None, "before");
    assert_eq!(value(&client, &romeo(), &place).unwrap(), "before");

    let stored = everything(&memory, &romeo()).records;
    assert_eq!(wait(operator.rekey(&romeo())).unwrap(), Rekeyed::Done);
    assert_eq!(wait(operator.rekey(&romeo())).unwrap(), Rekeyed::AlreadyCurrent);
    let changed = everything(&memory, &romeo()).records;
    let same = stored
        .iter()
        .filter(|(key, record)| changed.get(*key) == Some(record));
    assert_eq!((same.count(), changed.len()), (1, 2));

    // Who knows both goes on; who knows the new one begins; who knows the old one is told.
    let mut next = batch();
    next.put(place.clone(), Some(revision), text("after"));
    next.expect(key("p", "b"), None);
    assert_eq!(commit(&client, &romeo(), &next), Committed::Applied);
    let after = Sealed::new(memory.clone(), master(NEW));
    assert_eq!(value(&after, &romeo(), &place).unwrap(), "after");
    let loaded = wait(before.load(&romeo(), &query(&[&place], &[])));
    assert_error(loaded, ErrorKind::Misconfigured, "master key that was not given");
    let mut late = batch();
    late.put(key("p", "b"), None, text("by a key that is gone"));
    let committed = wait(before.commit(&romeo(), &late));
    assert_error(
        committed,
        ErrorKind::Misconfigured,
        "master key that was not given",
    );
}

#[test]
fn a_commit_on_its_way_during_a_rotation_is_applied() {
    let memory = MemoryStorage::new();
    let client = with_both(Hooked::new(memory.clone()));
    let place = key("p", "a");
    let mut revision = put(&sealed(memory.clone()), &romeo(), &place, None, "0");
    for round in 1..4 {
        let operator = with_both(memory.clone());
        client.inner().before_next_commit(move || {
            assert_eq!(wait(operator.renew_data_key(&romeo())).unwrap(), Rekeyed::Done);
        });
        revision = put(&client, &romeo(), &place, Some(revision), &round.to_string());
        assert_eq!(value(&client, &romeo(), &place).unwrap(), round.to_string());
    }
    // A conflict of its own stays one, rotation or not.
    let operator = with_both(memory);
    client.inner().before_next_commit(move || {
        assert_eq!(wait(operator.renew_data_key(&romeo())).unwrap(), Rekeyed::Done);
    });
    let mut stale = batch();
    stale.put(place.clone(), None, text("stale"));
    assert_eq!(commit(&client, &romeo(), &stale), Committed::Conflict);
    assert_eq!(record(&client, &romeo(), &place).unwrap().revision, revision);
}

#[test]
fn a_batch_sent_again_across_a_rotation_is_applied_once() {
    let memory = MemoryStorage::new();
    let storage = with_both(memory.clone());
    let place = key("p", "a");
    let mut lost = batch();
    lost.put(place.clone(), None, text("lost answer"));
    assert_eq!(commit(&storage, &romeo(), &lost), Committed::Applied);
    wait(storage.renew_data_key(&romeo())).unwrap();
    let revision = put(&storage, &romeo(), &place, Some(lost.id().into()), "later");
    for storage in [&storage, &with_both(memory)] {
        assert_eq!(commit(storage, &romeo(), &lost), Committed::Applied);
        assert_eq!(record(storage, &romeo(), &place).unwrap().revision, revision);
    }
}

#[test]
fn all_accounts_are_rekeyed_and_what_is_left_after_an_interruption() {
    let memory = MemoryStorage::new();
    let before = sealed(memory.clone());
    let accounts: Vec<AccountId> = (0..1_100).map(|n| account(&format!("{n}@capulet.lit"))).collect();
    for account in &accounts {
        put(&before, account, &key("p", "a"), None, account.as_str());
    }
    let operator = with_both(memory.clone());
    for account in accounts.iter().take(30) {
        assert_eq!(wait(operator.rekey(account)).unwrap(), Rekeyed::Done);
    }
    let all = |done, already_current| RekeyedAll {
        done,
        already_current,
        not_sealed: 0,
    };
    assert_eq!(wait(operator.rekey_all()).unwrap(), all(1_070, 30));
    assert_eq!(wait(operator.rekey_all()).unwrap(), all(0, 1_100));
    let after = Sealed::new(memory.clone(), master(NEW));
    for account in &accounts {
        assert_eq!(value(&after, account, &key("p", "a")).unwrap(), account.as_str());
    }
    assert_eq!(wait(after.rekey(&romeo())).unwrap(), Rekeyed::NoKeys);
    put(&memory, &romeo(), &key("p", "a"), None, "in plain");
    assert_eq!(wait(after.rekey_all()).unwrap().not_sealed, 1);
    wait(memory.purge(&romeo())).unwrap();
    assert_error(
        wait(Sealed::new(memory, master([3; 32])).rekey_all()),
        ErrorKind::Misconfigured,
        "master key that was not given",
    );
}

/// A client that still wraps by the old key begins an account behind a rekey that is under way: the next one finds it.
#[test]
fn an_account_that_is_begun_with_the_old_key_is_found_by_the_next_rekey() {
    let memory = MemoryStorage::new();
    let late = Arc::new(not_switched_yet(memory.clone()));
    let [first, during, after] = ["c@capulet.lit", "a@capulet.lit", "b@capulet.lit"].map(account);
    let place = key("p", "a");
    put(&*late, &first, &place, None, "first");

    let operator = with_both(Hooked::new(memory.clone()));
    let (client, begun) = (late.clone(), during.clone());
    operator.inner().before_next_commit(move || {
        put(&client, &begun, &key("p", "a"), None, "during");
    });
    let all = wait(operator.rekey_all()).unwrap();
    assert_eq!((all.done, all.already_current), (1, 0));
    put(&*late, &after, &place, None, "after");

    let all = wait(operator.rekey_all()).unwrap();
    assert_eq!((all.done, all.already_current), (2, 1));
    let all = wait(operator.rekey_all()).unwrap();
    assert_eq!((all.done, all.already_current), (0, 3));
    let new_only = Sealed::new(memory, master(NEW));
    for (account, text) in [(&first, "first"), (&during, "during"), (&after, "after")] {
        assert_eq!(value(&new_only, account, &place).unwrap(), text);
        assert_eq!(value(&*late, account, &place).unwrap(), text);
    }
}

/// By the four steps, with two clients of which one is switched later than the other: each reads whatever the other writes.
#[test]
fn a_rotation_step_by_step_leaves_nothing_unreadable() {
    let memory = MemoryStorage::new();
    let mut accounts: Vec<AccountId> = Vec::new();
    let mut both_write = |clients: [&Sealed<MemoryStorage>; 2]| {
        for client in clients {
            let account = account(&format!("{}@capulet.lit", accounts.len()));
            put(client, &account, &key("p", "a"), None, account.as_str());
            accounts.push(account);
        }
        for client in clients {
            for account in &accounts {
                let read = value(client, account, &key("p", "a")).unwrap();
                assert_eq!(read, account.as_str());
            }
        }
        accounts.len() as u64
    };
    let old = || sealed(memory.clone());
    let knows_both = || not_switched_yet(memory.clone());
    let switched = || with_both(memory.clone());
    let new = || Sealed::new(memory.clone(), master(NEW));

    both_write([&old(), &old()]);
    both_write([&knows_both(), &old()]);
    let (first, second) = (knows_both(), knows_both());
    both_write([&first, &second]);
    let first = switched();
    let before = both_write([&first, &second]);
    let second = switched();
    let rekeyed = wait(switched().rekey_all()).unwrap();
    // All but the one that the client that was switched first has begun since.
    assert_eq!((rekeyed.done, rekeyed.already_current), (before - 1, 1));
    let all = both_write([&first, &second]);
    let rekeyed = wait(switched().rekey_all()).unwrap();
    assert_eq!((rekeyed.done, rekeyed.already_current), (0, all));
    both_write([&new(), &second]);
    both_write([&new(), &new()]);
}

#[test]
fn a_new_data_key_seals_what_is_written_from_then_on() {
    let memory = MemoryStorage::new();
    let storage = sealed(memory.clone());
    let places = [key("p", "a"), key("p", "b")];
    let number = |place: &omemo_storage::Key| {
        let revision = record(&storage, &romeo(), place).unwrap().revision;
        let mut stored = everything(&memory, &romeo()).records.into_values();
        let sealed = stored.find(|record| record.revision == revision).unwrap();
        u32::from_be_bytes(sealed.value.as_bytes()[1..5].try_into().unwrap())
    };
    let old = put(&storage, &romeo(), &places[0], None, "old");
    assert_eq!(wait(storage.renew_data_key(&romeo())).unwrap(), Rekeyed::Done);
    put(&storage, &romeo(), &places[1], None, "new");
    assert_eq!((number(&places[0]), number(&places[1])), (1, 2));
    let other = sealed(memory.clone());
    assert_eq!(load(&other, &romeo(), &query(&[], &["p"])).records.len(), 2);
    put(&other, &romeo(), &places[0], Some(old), "new");
    assert_eq!(number(&places[0]), 2);
}

#[test]
fn data_keys_are_not_without_number() {
    let storage = sealed(MemoryStorage::new());
    put(&storage, &romeo(), &key("p", "a"), None, "old");
    for _ in 1..1_000 {
        assert_eq!(wait(storage.renew_data_key(&romeo())).unwrap(), Rekeyed::Done);
    }
    let one_more = wait(storage.renew_data_key(&romeo()));
    assert_error(one_more, ErrorKind::TooLarge, "as many data keys as it may have");
    assert_eq!(value(&storage, &romeo(), &key("p", "a")).unwrap(), "old");
}
