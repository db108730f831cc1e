//! A storage that is encrypted at rest, in which somebody has changed what lies there: it may be refused, and never opens as
//! anything but what was sealed.
#![no_main]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use omemo_fuzz::{Choices, Records};
use omemo_storage::blocking::wait;
use omemo_storage::{
    AccountId, Batch, CommitId, Committed, Key, Keyring, MasterKey, Query, Record, Sealed, Stake, Storage,
    Value, Write,
};
use omemo_storage_memory::MemoryStorage;

const COMMIT: CommitId = CommitId::from_bytes([7; 16]);

fn account() -> AccountId {
    AccountId::new("romeo@montague.lit").expect("a name")
}

fn seal(inner: MemoryStorage) -> Sealed<MemoryStorage> {
    Sealed::new(inner, Keyring::new(MasterKey::from_bytes([1; 32])))
}

/// What lies in the storage inside, and what it means.
fn sealed() -> &'static (Vec<(Key, Record)>, Records) {
    static SEALED: OnceLock<(Vec<(Key, Record)>, Records)> = OnceLock::new();
    SEALED.get_or_init(|| {
        let records: Records = (0..3_u8)
            .map(|number| {
                let key =
                    Key::new("contact/juliet@capulet.lit", &format!("session/{number}")).expect("a key");
                (key, Value::from(vec![number; 40]))
            })
            .collect();
        let storage = seal(MemoryStorage::new());
        let mut batch = Batch::new(COMMIT);
        for (key, value) in &records {
            batch.put(key.clone(), None, value.clone());
        }
        assert_eq!(
            wait(storage.commit(&account(), &batch)).expect("sealed"),
            Committed::Applied
        );
        let inner = storage.inner();
        let infos = wait(inner.records(&account(), None, 100))
            .expect("listed")
            .entries;
        let mut query = Query::new();
        query.records.extend(infos.into_iter().map(|info| info.key));
        let inside = wait(inner.load(&account(), &query)).expect("loaded").records;
        (inside.into_iter().collect(), records)
    })
}

fuzz_target!(|data: &[u8]| {
    let (inside, records) = sealed();
    let mut choices = Choices::new(data);
    let mut values: BTreeMap<Key, Value> = BTreeMap::new();
    let mut is_changed = false;
    let (one, other) = (choices.pick(inside), choices.pick(inside));
    let (swaps, times) = (choices.flag(), choices.byte() % 4);
    for (key, record) in inside {
        let mut bytes = record.value.as_bytes().to_vec();
        if *key == one.0 {
            if swaps {
                bytes = other.1.value.as_bytes().to_vec();
            }
            for _ in 0..times {
                choices.alter(&mut bytes);
            }
        }
        is_changed |= bytes != record.value.as_bytes();
        values.insert(key.clone(), bytes.into());
    }
    // The revisions stay as they were: they are bound to what is sealed.
    let inner = MemoryStorage::new();
    for (key, record) in inside {
        let id = CommitId::from_bytes(*record.revision.as_bytes());
        let same: Vec<_> = inside
            .iter()
            .filter(|(_, other)| other.revision == record.revision)
            .collect();
        if same.first().is_some_and(|first| first.0 != *key) {
            continue;
        }
        let stakes = same.into_iter().map(|(key, _)| {
            (
                key.clone(),
                Stake {
                    expected: None,
                    write: Write::Put(values[key].clone()),
                },
            )
        });
        assert_eq!(
            wait(inner.commit(&account(), &Batch::of(id, stakes))).expect("put back"),
            Committed::Applied
        );
    }
    check(&seal(inner), records, is_changed);
});

fn check(storage: &Sealed<MemoryStorage>, records: &Records, is_changed: bool) {
    let mut refused = false;
    for (key, value) in records {
        let mut query = Query::new();
        query.records.insert(key.clone());
        match wait(storage.load(&account(), &query)) {
            Ok(snapshot) => {
                let read = snapshot.records.get(key).map(|record| &record.value);
                assert_eq!(read, Some(value), "{key:?}");
            }
            Err(_) => refused = true,
        }
    }
    assert_eq!(refused, is_changed);
    let _ = wait(storage.records(&account(), None, 100));
    let _ = wait(storage.rekey(&account()));
}
