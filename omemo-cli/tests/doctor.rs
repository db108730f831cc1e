//! `omemo doctor`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::{demo_in, good, is_hex, omemo, url};
use omemo::blocking::wait;
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Query, Record, Storage, Value};
use omemo_storage_sqlite::SqliteStorage;
use tempfile::TempDir;

const DATABASE: &str = "romeo-phone.db";
const ROMEO: &str = "romeo@montague.lit";

/// Every record of the account, and a way to change them behind everybody's back.
struct Damage {
    storage: SqliteStorage,
    account: AccountId,
    commits: u8,
}

impl Damage {
    fn of(directory: &TempDir) -> Self {
        Self {
            storage: wait(SqliteStorage::open(directory.path().join(DATABASE))).unwrap(),
            account: AccountId::new(ROMEO).unwrap(),
            commits: 0,
        }
    }

    fn load(&self, key: &Key) -> Option<Record> {
        let mut query = Query::new();
        query.records.insert(key.clone());
        wait(self.storage.load(&self.account, &query))
            .unwrap()
            .records
            .remove(key)
    }

    /// The first record whose item begins so.
    fn some(&self, item: &str) -> Key {
        let page = wait(self.storage.records(&self.account, None, 1_000)).unwrap();
        let mut keys = page.entries.into_iter().map(|record| record.key);
        keys.find(|key| key.item.as_str().starts_with(item)).unwrap()
    }

    fn put(&mut self, key: &Key, value: Option<Vec<u8>>) {
        self.commits += 1;
        let mut batch = Batch::new(CommitId::from_bytes([self.commits; 16]));
        let revision = self.load(key).map(|record| record.revision);
        match value {
            Some(value) => batch.put(key.clone(), revision, Value::from(value)),
            None => batch.delete(key.clone(), revision),
        };
        assert_eq!(
            wait(self.storage.commit(&self.account, &batch)).unwrap(),
            Committed::Applied
        );
    }
}

#[test]
fn what_is_sound_is_found_sound() {
    let directory = TempDir::new().unwrap();
    demo_in(directory.path());
    for database in [DATABASE, "romeo-laptop.db", "romeo-tablet.db", "juliet-phone.db"] {
        let out = good(&["doctor", &url(directory.path(), database)]);
        assert!(
            out.starts_with("1 account, ") && out.ends_with(" records: 0 findings\n"),
            "{out}"
        );
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_advice_and_without_secrets() {
    let directory = TempDir::new().unwrap();
    demo_in(directory.path());
    let mut damage = Damage::of(&directory);
    let session = damage.some("session/");
    let bytes = damage.load(&session).unwrap().value.as_bytes().to_vec();
    damage.put(&session, Some(bytes[..100].to_vec()));
    let pre_keys = Key::new("own", "prekeys/urn:xmpp:omemo:2").unwrap();
    damage.put(&pre_keys, None);
    damage.put(&Key::new("own", "nonsense").unwrap(), Some(vec![1]));
    damage.put(&Key::new("elsewhere", "item").unwrap(), Some(vec![1]));
    wait(damage.storage.close());

    let run = omemo(&["doctor", &url(directory.path(), DATABASE)]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("4 findings"), "{run:?}");
    let lines: Vec<_> = run.out.lines().collect();
    for (partition, item, problem) in [
        (
            session.partition.as_str(),
            session.item.as_str(),
            "the record is too short; stop the account's clients",
        ),
        (
            "own",
            "prekeys/urn:xmpp:omemo:2",
            "there is a signed pre key, but no pre keys; open the account",
        ),
        (
            "own",
            "nonsense",
            "no record has such a name; find out what wrote it",
        ),
        ("elsewhere", "item", "no record has such a name; find out"),
    ] {
        let begin = format!("{ROMEO}: {partition}: {item}: {problem}");
        assert!(
            lines.iter().any(|line| line.starts_with(&begin)),
            "{begin}\n{}",
            run.out
        );
    }
    assert_eq!(lines.len(), 5);
    let mut words = run.out.split(|c: char| !c.is_ascii_alphanumeric());
    assert!(!words.any(|word| is_hex(word, 32) || is_hex(word, 64)));
}

#[test]
fn what_cannot_be_examined_is_said() {
    let directory = TempDir::new().unwrap();
    let run = omemo(&["doctor", &url(directory.path(), "missing.db")]);
    assert!(run.code == 1 && run.err.contains("cannot be opened"), "{run:?}");
}
