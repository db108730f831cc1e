//! What was sealed once can be read for ever: a dump of format 1, as it was written when that was the newest.
//!
//! Sealing is random, so a new dump has other bytes. `cargo test -p omemo-storage --all-features --test sealed_golden -- --ignored
//! --nocapture` prints one, for a new format beside this one.
#![cfg(feature = "sealed")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod common;

use common::{commit, everything, key, load, put, query, record, romeo, text};
use omemo_storage::blocking::wait;
use omemo_storage::{
    Batch, CommitId, Committed, ErrorKind, Key, Keyring, MasterKey, Rekeyed, Sealed, Storage, Value,
};
use omemo_storage_memory::MemoryStorage;

/// A line for each record: partition, item, revision, value, the last two in hex.
const FORMAT_1: &str = include_str!("golden/sealed-1.txt");

/// The ids of the two commits.
const IDS: [[u8; 16]; 2] = [[0xa1; 16], [0xa2; 16]];

fn old() -> MasterKey {
    MasterKey::from_bytes(std::array::from_fn(|n| n as u8))
}

fn new() -> MasterKey {
    MasterKey::from_bytes(std::array::from_fn(|n| 0xff - n as u8))
}

/// What is in the dump: where, by which commit, and what.
fn contents() -> Vec<(Key, usize, Vec<u8>)> {
    vec![
        (
            key("contact/juliet@capulet.lit", "contact"),
            0,
            b"identity".to_vec(),
        ),
        (
            key("contact/juliet@capulet.lit", "session/1"),
            0,
            (0..=255).collect(),
        ),
        (key("own", "account"), 0, Vec::new()),
        // After the data key was renewed.
        (key("own", "100 % öffentlich"), 1, b"second data key".to_vec()),
    ]
}

fn unhex(hex: &str) -> Vec<u8> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty(), "{hex}");
    pairs
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A storage as the dump tells.
fn restored(dump: &str) -> MemoryStorage {
    let memory = MemoryStorage::new();
    let lines: Vec<[&str; 4]> = dump
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>().try_into().unwrap())
        .collect();
    let mut ids: Vec<&str> = lines.iter().map(|[_, _, id, _]| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let mut batch = Batch::new(CommitId::from_bytes(unhex(id).try_into().unwrap()));
        for [partition, item, revision, value] in &lines {
            if *revision == id {
                batch.put(key(partition, item), None, Value::from(unhex(value)));
            }
        }
        assert_eq!(commit(&memory, &romeo(), &batch), Committed::Applied);
    }
    memory
}

#[test]
fn format_1_is_read() {
    let memory = restored(FORMAT_1);
    let storage = Sealed::new(memory.clone(), new());
    for (place, commit, value) in contents() {
        let found = record(&storage, &romeo(), &place).unwrap();
        assert_eq!(found.value.as_bytes(), value, "{place:?}");
        assert_eq!(found.revision, CommitId::from_bytes(IDS[commit]).into());
        let whole = load(&storage, &romeo(), &query(&[], &[place.partition.as_str()]));
        assert_eq!(whole.records[&place].value.as_bytes(), value, "{place:?}");
    }
    let listed = wait(storage.records(&romeo(), None, 100)).unwrap().entries;
    let mut listed: Vec<Key> = listed.into_iter().map(|info| info.key).collect();
    listed.sort();
    let mut expected: Vec<Key> = contents().into_iter().map(|(place, ..)| place).collect();
    expected.sort();
    assert_eq!(listed, expected);

    let late = Sealed::new(memory, old());
    let error = wait(late.load(&romeo(), &query(&[], &["own"]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
}

/// What is written is written where it was: names are hashed as they were.
#[test]
fn format_1_is_written_over_in_place() {
    let memory = restored(FORMAT_1);
    let storage = Sealed::new(memory.clone(), Keyring::new(old()).with_older(new()));
    let before: Vec<Key> = everything(&memory, &romeo()).records.into_keys().collect();
    for (place, commit, _) in contents() {
        let expected = CommitId::from_bytes(IDS[commit]).into();
        put(&storage, &romeo(), &place, Some(expected), "later");
    }
    assert_eq!(wait(storage.rekey(&romeo())).unwrap(), Rekeyed::Done);
    let after: Vec<Key> = everything(&memory, &romeo()).records.into_keys().collect();
    assert_eq!(before, after);
    for (place, ..) in contents() {
        assert_eq!(record(&storage, &romeo(), &place).unwrap().value, text("later"));
    }
}

#[test]
#[ignore = "prints a new dump"]
fn dump() {
    let memory = MemoryStorage::new();
    let storage = Sealed::new(memory.clone(), old());
    for (number, id) in IDS.into_iter().enumerate() {
        let mut batch = Batch::new(CommitId::from_bytes(id));
        for (place, _, value) in contents().into_iter().filter(|(_, commit, _)| *commit == number) {
            batch.put(place, None, Value::from(value));
        }
        assert_eq!(commit(&storage, &romeo(), &batch), Committed::Applied);
        if number == 0 {
            assert_eq!(wait(storage.renew_data_key(&romeo())).unwrap(), Rekeyed::Done);
        }
    }
    let rotating = Sealed::new(memory.clone(), Keyring::new(new()).with_older(old()));
    assert_eq!(wait(rotating.rekey(&romeo())).unwrap(), Rekeyed::Done);
    for (place, record) in everything(&memory, &romeo()).records {
        let (revision, value) = (hex(record.revision.as_bytes()), hex(record.value.as_bytes()));
        println!("{} {} {revision} {value}", place.partition, place.item);
    }
}
