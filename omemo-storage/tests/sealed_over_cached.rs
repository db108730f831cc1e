//! A cache inside a sealed storage may be behind others in what it knows of the account's keys.
#![cfg(all(feature = "cached", feature = "sealed"))]
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::{batch, commit, everything, key, load, put, query, romeo, text, value};
use omemo_storage::blocking::wait;
use omemo_storage::{Cached, Committed, MasterKey, Rekeyed, Sealed, Storage};
use omemo_storage_memory::MemoryStorage;

type CacheInside = Sealed<Cached<MemoryStorage>>;

fn master() -> MasterKey {
    MasterKey::from_bytes([1; 32])
}

/// Two processes on one storage: one with a cache inside the seal, one without.
fn two_processes() -> (CacheInside, Sealed<MemoryStorage>) {
    let memory = MemoryStorage::new();
    let ours = Sealed::new(Cached::new(memory.clone()), master());
    (ours, Sealed::new(memory, master()))
}

#[test]
fn a_record_of_after_a_rotation_opens() {
    let (ours, theirs) = two_processes();
    let places = [key("p", "a"), key("q", "b")];
    put(&theirs, &romeo(), &places[0], None, "before");
    assert_eq!(value(&ours, &romeo(), &places[0]).unwrap(), "before");
    assert_eq!(wait(theirs.renew_data_key(&romeo())).unwrap(), Rekeyed::Done);
    put(&theirs, &romeo(), &places[1], None, "after");
    // The cache has the keys of before, and not this record.
    assert_eq!(value(&ours, &romeo(), &places[1]).unwrap(), "after");
    assert_eq!(everything(&ours, &romeo()).records.len(), 2);
}

#[test]
fn an_account_that_others_have_begun_meanwhile_is_written() {
    let (ours, theirs) = two_processes();
    assert_eq!(value(&ours, &romeo(), &key("p", "a")), None);
    put(&theirs, &romeo(), &key("p", "b"), None, "theirs");
    // The cache knows that there are no keys.
    let mut create = batch();
    create.put(key("p", "a"), None, text("ours"));
    assert_eq!(commit(&ours, &romeo(), &create), Committed::Applied);
    assert_eq!(load(&theirs, &romeo(), &query(&[], &["p"])).records.len(), 2);
}

#[test]
fn an_account_that_others_have_begun_anew_is_listed() {
    let (ours, theirs) = two_processes();
    put(&theirs, &romeo(), &key("p", "a"), None, "before");
    assert_eq!(value(&ours, &romeo(), &key("p", "a")).unwrap(), "before");
    wait(theirs.purge(&romeo())).unwrap();
    put(&theirs, &romeo(), &key("p", "b"), None, "after");
    let listed = wait(ours.records(&romeo(), None, 10)).unwrap().entries;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].key, key("p", "b"));
}
