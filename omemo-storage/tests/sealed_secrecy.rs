//! What is stored shows nothing it should not, and nothing opens but where and by what it was sealed.
#![cfg(feature = "sealed")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

mod common;

use std::collections::BTreeSet;

use common::{account, batch, commit, everything, key, load, put, query, romeo, text, value};
use omemo_storage::blocking::wait;
use omemo_storage::{
    AccountId, Batch, Committed, ErrorKind, Key, Keyring, MasterKey, Record, RecordInfo, Revision, Sealed,
    Storage, Value,
};
use omemo_storage_memory::MemoryStorage;

const PARTITION: &str = "contact/juliet@capulet.lit";
const SECRET: &str = "the root key of the ratchet with Juliet";

fn sealed(memory: &MemoryStorage) -> Sealed<MemoryStorage> {
    Sealed::new(memory.clone(), MasterKey::from_bytes([1; 32]))
}

fn key_record() -> Key {
    key("omemo-sealed", "key")
}

/// An account with one record, and where that lies.
fn one_record(account: &AccountId) -> (MemoryStorage, Key, Record) {
    let memory = MemoryStorage::new();
    put(
        &sealed(&memory),
        account,
        &key(PARTITION, "session"),
        None,
        SECRET,
    );
    let mut stored = everything(&memory, account).records;
    stored.remove(&key_record()).unwrap();
    let (place, record) = stored.pop_first().unwrap();
    (memory, place, record)
}

/// Writes a value without asking the seal, under any revision.
fn forge(memory: &MemoryStorage, account: &AccountId, place: &Key, revision: Revision, value: Value) {
    let there = load(memory, account, &query(&[place], &[])).records.remove(place);
    if let Some(there) = there {
        let mut away = batch();
        away.delete(place.clone(), Some(there.revision));
        assert_eq!(commit(memory, account, &away), Committed::Applied);
    }
    let mut forged = Batch::new(omemo_storage::CommitId::from_bytes(*revision.as_bytes()));
    forged.put(place.clone(), None, value);
    // The account may remember this id: then nothing would be written.
    assert_eq!(commit(memory, account, &forged), Committed::Applied);
    assert!(
        load(memory, account, &query(&[place], &[]))
            .records
            .contains_key(place)
    );
}

/// A copy of all an account has, in a storage that remembers no commits.
fn copy(memory: &MemoryStorage, from: &AccountId, to: &AccountId) -> MemoryStorage {
    let copy = MemoryStorage::new();
    for (place, record) in everything(memory, from).records {
        forge(&copy, to, &place, record.revision, record.value);
    }
    copy
}

fn assert_corrupt(memory: &MemoryStorage, account: &AccountId, what: &str) {
    let loaded = wait(sealed(memory).load(account, &query(&[], &[PARTITION, "other"])));
    let Err(error) = loaded else {
        panic!("{what} opens")
    };
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
    assert!(!format!("{error:?}").contains("juliet"), "{what}: {error:?}");
}

#[test]
fn what_is_stored_shows_no_name_and_no_value() {
    let memory = MemoryStorage::new();
    let storage = sealed(&memory);
    for partition in [PARTITION, "contact/nurse@capulet.lit"] {
        for item in ["contact", "session"] {
            put(&storage, &romeo(), &key(partition, item), None, SECRET);
        }
    }
    let stored = everything(&memory, &romeo()).records;
    assert_eq!(stored.len(), 5);
    for (place, record) in &stored {
        let names = format!("{place:?}");
        let bytes = String::from_utf8_lossy(record.value.as_bytes()).into_owned();
        for word in ["juliet", "nurse", "contact", "session", "root key", "Juliet"] {
            assert!(!names.contains(word) && !bytes.contains(word), "{word}");
        }
    }
    let hashed: Vec<&Key> = stored.keys().filter(|place| **place != key_record()).collect();
    let partitions: BTreeSet<_> = hashed.iter().map(|place| &place.partition).collect();
    let items: BTreeSet<_> = hashed.iter().map(|place| &place.item).collect();
    // Equal items of different partitions do not show.
    assert_eq!((partitions.len(), items.len()), (2, 4));

    // Another account's hashes of the same names are others.
    put(
        &storage,
        &account("tybalt@capulet.lit"),
        &key(PARTITION, "contact"),
        None,
        SECRET,
    );
    let others = everything(&memory, &account("tybalt@capulet.lit")).records;
    assert!(
        others
            .keys()
            .all(|place| *place == key_record() || !partitions.contains(&place.partition))
    );
}

#[test]
fn equal_values_look_different() {
    let memory = MemoryStorage::new();
    let storage = sealed(&memory);
    let mut twins = batch();
    (0..10).for_each(|n| twins.put(key(PARTITION, &n.to_string()), None, text(SECRET)));
    assert_eq!(commit(&storage, &romeo(), &twins), Committed::Applied);
    let stored = everything(&memory, &romeo()).records;
    let bodies = stored.values().map(|record| &record.value.as_bytes()[17..]);
    let chunks: BTreeSet<&[u8]> = bodies.clone().flat_map(|body| body.chunks_exact(8)).collect();
    assert_eq!(chunks.len(), bodies.map(|body| body.len() / 8).sum::<usize>());
}

/// One id for two batches is against the contract; it must not use up a key stream twice all the same.
#[test]
fn an_id_used_twice_gives_nothing_away() {
    let memory = MemoryStorage::new();
    put(&sealed(&memory), &romeo(), &key("p", "other"), None, "other");
    // The same keys, in a storage that does not remember the id.
    let twin = copy(&memory, &romeo(), &romeo());
    let id = batch().id();
    let sealed_in = |memory: &MemoryStorage, value: &str| {
        let mut batch = Batch::new(id);
        batch.put(key("p", "i"), None, text(value));
        assert_eq!(commit(&sealed(memory), &romeo(), &batch), Committed::Applied);
        let mut stored = everything(memory, &romeo()).records.into_values();
        let written = stored.find(|record| record.revision == id.into()).unwrap();
        written.value.as_bytes().to_vec()
    };
    let one = sealed_in(&memory, SECRET);
    let other = sealed_in(&twin, &SECRET.replace("root", "next"));
    assert_eq!(one.len(), other.len());
    let same = one
        .iter()
        .zip(&other)
        .skip(17)
        .filter(|(one, other)| one == other);
    assert!(same.count() < one.len() / 4);
}

#[test]
fn the_same_id_and_names_open_where_they_were_sealed() {
    let (memory, ..) = one_record(&romeo());
    let copy = copy(&memory, &romeo(), &romeo());
    assert_eq!(
        value(&sealed(&copy), &romeo(), &key(PARTITION, "session")).unwrap(),
        SECRET
    );
}

#[test]
fn a_value_of_another_place_revision_or_account_does_not_open() {
    let (memory, place, record) = one_record(&romeo());
    let storage = sealed(&memory);
    put(&storage, &romeo(), &key(PARTITION, "other"), None, "other");
    put(&storage, &romeo(), &key("other", "session"), None, "other");
    let stored = everything(&memory, &romeo()).records;
    for (other, its) in stored
        .iter()
        .filter(|(other, _)| **other != place && **other != key_record())
    {
        let swapped = copy(&memory, &romeo(), &romeo());
        forge(
            &swapped,
            &romeo(),
            other,
            Revision::from_bytes([9; 16]),
            record.value.clone(),
        );
        assert_corrupt(&swapped, &romeo(), "another place and revision");
        // The same revision, in another place.
        let fresh = MemoryStorage::new();
        let keys = &stored[&key_record()];
        forge(&fresh, &romeo(), &key_record(), keys.revision, keys.value.clone());
        forge(&fresh, &romeo(), other, record.revision, record.value.clone());
        assert_corrupt(&fresh, &romeo(), "another place");
        // Another revision, in the same place.
        let older = copy(&memory, &romeo(), &romeo());
        forge(
            &older,
            &romeo(),
            &place,
            Revision::from_bytes([9; 16]),
            record.value.clone(),
        );
        assert_corrupt(&older, &romeo(), "another revision");
        assert_ne!(its.revision, record.revision);
    }
    let tybalt = account("tybalt@capulet.lit");
    assert_corrupt(&copy(&memory, &romeo(), &tybalt), &tybalt, "another account");
}

#[test]
fn no_damaged_byte_goes_unnoticed() {
    let (memory, place, record) = one_record(&romeo());
    let bytes = record.value.as_bytes().to_vec();
    let damaged = |bytes: Vec<u8>| {
        let copy = copy(&memory, &romeo(), &romeo());
        let fresh = MemoryStorage::new();
        let keys = &everything(&copy, &romeo()).records[&key_record()];
        forge(&fresh, &romeo(), &key_record(), keys.revision, keys.value.clone());
        forge(&fresh, &romeo(), &place, record.revision, Value::from(bytes));
        wait(sealed(&fresh).load(&romeo(), &query(&[], &[PARTITION]))).map(|loaded| loaded.records)
    };
    assert_eq!(damaged(bytes.clone()).unwrap().len(), 1);
    for index in 0..bytes.len() {
        for flip in [1, 0x80] {
            let mut bytes = bytes.clone();
            bytes[index] ^= flip;
            let kind = damaged(bytes).unwrap_err().kind();
            match index {
                0 => assert_eq!(
                    kind,
                    [ErrorKind::Corrupt, ErrorKind::UnsupportedVersion][usize::from(flip > 1)]
                ),
                _ => assert_eq!(kind, ErrorKind::Corrupt, "byte {index}"),
            }
        }
    }
    for length in 0..bytes.len() {
        let error = damaged(bytes[..length].to_vec()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(place.item.as_str()), "{error}");
    }
}

#[test]
fn damage_of_the_key_record_is_said() {
    let (memory, ..) = one_record(&romeo());
    let keys = everything(&memory, &romeo())
        .records
        .remove(&key_record())
        .unwrap();
    let damaged = |bytes: Vec<u8>| {
        let fresh = MemoryStorage::new();
        forge(&fresh, &romeo(), &key_record(), keys.revision, Value::from(bytes));
        let loaded = wait(sealed(&fresh).load(&romeo(), &query(&[], &[PARTITION])));
        loaded.unwrap_err().kind()
    };
    let bytes = keys.value.as_bytes();
    for length in 0..bytes.len() {
        assert_eq!(damaged(bytes[..length].to_vec()), ErrorKind::Corrupt, "{length}");
    }
    for index in 0..bytes.len() {
        let mut bytes = bytes.to_vec();
        bytes[index] ^= 0x40;
        let expected = match index {
            0 => ErrorKind::UnsupportedVersion,
            1..9 => ErrorKind::Misconfigured,
            _ => ErrorKind::Corrupt,
        };
        assert_eq!(damaged(bytes), expected, "{index}");
    }
}

#[test]
fn another_master_key_is_told_at_once() {
    let (memory, ..) = one_record(&romeo());
    let other = Sealed::new(memory, MasterKey::from_bytes([2; 32]));
    let mut create = batch();
    create.put(key("p", "i"), None, text("value"));
    for error in [
        wait(other.load(&romeo(), &query(&[], &["p"]))).unwrap_err(),
        wait(other.commit(&romeo(), &create)).unwrap_err(),
        wait(other.records(&romeo(), None, 10)).unwrap_err(),
        wait(other.rekey(&romeo())).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(
            error.to_string().contains("a master key that was not given"),
            "{error}"
        );
    }
}

#[test]
fn an_account_written_without_seal_is_not_mixed_with_sealed_records() {
    let memory = MemoryStorage::new();
    put(&memory, &romeo(), &key(PARTITION, "session"), None, "in plain");
    let storage = sealed(&memory);
    let mut create = batch();
    create.put(key(PARTITION, "session"), None, text("sealed"));
    for error in [
        wait(storage.commit(&romeo(), &create)).unwrap_err(),
        wait(storage.records(&romeo(), None, 10)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.to_string().contains("written without sealing"), "{error}");
    }
    assert_eq!(everything(&memory, &romeo()).records.len(), 1);
}

#[test]
fn listings_show_real_names_and_sizes_and_no_keys() {
    let memory = MemoryStorage::new();
    let storage = sealed(&memory);
    let mut create = batch();
    for (item, bytes) in [("a", 0), ("b", 5), ("c", 3 << 20 >> 2)] {
        create.put(key(PARTITION, item), None, Value::from(vec![7; bytes]));
    }
    assert_eq!(commit(&storage, &romeo(), &create), Committed::Applied);
    let empty = account("nurse@capulet.lit");
    let revision = put(&storage, &empty, &key("p", "i"), None, "value");
    let mut delete = batch();
    delete.delete(key("p", "i"), Some(revision));
    assert_eq!(commit(&storage, &empty, &delete), Committed::Applied);

    for limit in [1, 2, 3, 100] {
        let (mut listed, mut after): (Vec<RecordInfo>, _) = (Vec::new(), None);
        loop {
            let page = wait(storage.records(&romeo(), after.as_ref(), limit)).unwrap();
            assert!(page.entries.len() <= limit);
            listed.extend(page.entries);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        listed.sort_by(|one, other| one.key.cmp(&other.key));
        let shown: Vec<_> = listed
            .iter()
            .map(|info| (info.key.item.as_str(), info.bytes))
            .collect();
        assert_eq!(shown, [("a", 0), ("b", 5), ("c", 786_432)]);
        assert!(listed.iter().all(|info| info.revision == create.id().into()));
    }
    // An account with nothing but keys is not listed, though it is there.
    let accounts = |storage: &Sealed<MemoryStorage>| wait(storage.accounts(None, 1)).unwrap();
    assert_eq!(accounts(&storage).entries, [romeo()]);
    assert_eq!(wait(memory.accounts(None, 10)).unwrap().entries, [empty, romeo()]);
}

#[test]
fn secrets_are_not_printed() {
    let master = MasterKey::from_bytes([0xab; 32]);
    let keyring = Keyring::new(master.clone()).with_older(MasterKey::from_bytes([0xac; 32]));
    let storage = Sealed::new(MemoryStorage::new(), keyring.clone());
    put(&storage, &romeo(), &key("p", "i"), None, "value");
    assert_eq!(
        format!("{master:?} {keyring:?} {storage:?}"),
        "MasterKey Keyring(2 keys) Sealed"
    );
}
