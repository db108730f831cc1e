//! Databases of every earlier schema open, and have lost nothing.
//!
//! `golden/v1.db` was written when the schema was at version 1, and so on. With a new migration comes a new file, from
//! `cargo test -p omemo-storage-sqlite --test upgrade -- --ignored`; those there are stay as they are.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use omemo_storage::blocking::wait;
use omemo_storage::{
    AccountId, Batch, CommitId, Committed, ErrorKind, Key, Name, Query, Record, Revision, Storage, Value,
};
use omemo_storage_sqlite::{SqliteOptions, SqliteStorage};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor, SqliteConnection};
use tempfile::TempDir;

fn in_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn golden(version: usize) -> PathBuf {
    in_crate(&format!("tests/golden/v{version}.db"))
}

/// The newest version: there is a migration to each.
fn newest() -> usize {
    in_crate("migrations").read_dir().unwrap().count()
}

fn accounts() -> [AccountId; 3] {
    let long = format!("{}@capulet.lit", "j".repeat(3_000));
    ["romeo@montague.lit", "Romeo@montague.lit", &long].map(|name| AccountId::new(name).unwrap())
}

fn id(account: usize, commit: u8) -> CommitId {
    CommitId::from_bytes([0x10 * (account as u8 + 1) + commit; 16])
}

/// What the first commit of every account puts.
fn values() -> BTreeMap<Key, Vec<u8>> {
    let long = "n".repeat(4_096);
    let values = [
        ("account", "identity", (0..=255).collect()),
        ("account", "empty", Vec::new()),
        ("contact/juliet@capulet.lit", "contact", vec![0; 3]),
        ("contact/juliet@capulet.lit", "session/ä'%\"", vec![0xff; 5_000]),
        (
            "contact/Juliet@capulet.lit",
            "contact",
            b"of another name".to_vec(),
        ),
        (&*long, &*long, b"long".to_vec()),
        ("replaced", "i", b"old".to_vec()),
        ("deleted", "i", b"gone".to_vec()),
    ];
    let keyed = values.map(|(partition, item, value)| (Key::new(partition, item).unwrap(), value));
    keyed.into_iter().collect()
}

fn replaced() -> Key {
    Key::new("replaced", "i").unwrap()
}

fn deleted() -> Key {
    Key::new("deleted", "i").unwrap()
}

/// What every account holds in the end.
fn expected(account: usize) -> BTreeMap<Key, Record> {
    let mut expected = BTreeMap::new();
    for (key, value) in values() {
        let revision = Revision::from(id(account, 1));
        let value = Value::from(value);
        expected.insert(key, Record { revision, value });
    }
    expected.remove(&deleted());
    let replacement = Record {
        revision: id(account, 2).into(),
        value: Value::from(b"new".to_vec()),
    };
    expected.insert(replaced(), replacement);
    expected
}

/// Since version 2, copies are told from their originals.
async fn open_copy(file: &Path) -> SqliteStorage {
    let options = SqliteOptions::new(file).unwrap();
    options.accept_copy().open().await.unwrap()
}

async fn fill(storage: &SqliteStorage) {
    for (n, account) in accounts().iter().enumerate() {
        let mut first = Batch::new(id(n, 1));
        for (key, value) in values() {
            first.put(key, None, Value::from(value));
        }
        let mut second = Batch::new(id(n, 2));
        second.put(replaced(), Some(first.id().into()), Value::from(b"new".to_vec()));
        second.delete(deleted(), Some(first.id().into()));
        for batch in [first, second] {
            assert_eq!(storage.commit(account, &batch).await.unwrap(), Committed::Applied);
        }
    }
}

async fn all(storage: &SqliteStorage, account: &AccountId) -> BTreeMap<Key, Record> {
    let mut query = Query::new();
    query
        .partitions
        .extend(values().into_keys().map(|key| key.partition));
    query.partitions.insert(Name::new("later").unwrap());
    storage.load(account, &query).await.unwrap().records
}

async fn connect(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(file)
        .connect()
        .await
        .unwrap()
}

/// The definition of everything in the schema, by name.
async fn schema(file: &Path) -> Vec<(String, Option<String>)> {
    let all = "SELECT name, sql FROM sqlite_schema ORDER BY name";
    sqlx::query_as(all)
        .fetch_all(&mut connect(file).await)
        .await
        .unwrap()
}

async fn version(file: &Path) -> i64 {
    let version = "SELECT max(version) FROM omemo_schema";
    sqlx::query_scalar(version)
        .fetch_one(&mut connect(file).await)
        .await
        .unwrap()
}

#[tokio::test]
async fn every_earlier_schema_is_upgraded() {
    let directory = TempDir::new().unwrap();
    let new = directory.path().join("new.db");
    SqliteStorage::open(&new).await.unwrap().close().await;
    for earlier in 1..=newest() {
        let file = directory.path().join(format!("v{earlier}.db"));
        fs::copy(golden(earlier), &file).unwrap();
        assert_eq!(version(&file).await, earlier as i64);

        open_copy(&file).await.close().await;
        for _ in 0..2 {
            let storage = SqliteStorage::open(&file).await.unwrap();
            for (n, account) in accounts().iter().enumerate() {
                assert_eq!(all(&storage, account).await, expected(n));
            }
            storage.close().await;
        }
        assert_eq!(version(&file).await, newest() as i64);
        assert_eq!(schema(&file).await, schema(&new).await);
    }
}

#[tokio::test]
async fn upgraded_database_is_judged_and_written_like_a_new_one() {
    let directory = TempDir::new().unwrap();
    for earlier in 1..=newest() {
        let file = directory.path().join(format!("v{earlier}.db"));
        fs::copy(golden(earlier), &file).unwrap();
        let storage = open_copy(&file).await;
        for (n, account) in accounts().iter().enumerate() {
            let mut stale = Batch::new(id(n, 3));
            stale.put(replaced(), Some(id(n, 1).into()), Value::from(b"stale".to_vec()));
            assert_eq!(
                storage.commit(account, &stale).await.unwrap(),
                Committed::Conflict
            );
            assert_eq!(all(&storage, account).await, expected(n));

            let mut change = Batch::new(id(n, 4));
            change.put(replaced(), Some(id(n, 2).into()), Value::from(b"newer".to_vec()));
            change.put(
                Key::new("later", "i").unwrap(),
                None,
                Value::from(b"later".to_vec()),
            );
            for key in expected(n).into_keys().filter(|key| *key != replaced()) {
                change.delete(key, Some(id(n, 1).into()));
            }
            assert_eq!(
                storage.commit(account, &change).await.unwrap(),
                Committed::Applied
            );
            let left = all(&storage, account).await;
            assert_eq!(left.len(), 2);
            assert!(left.values().all(|record| record.revision == id(n, 4).into()));
        }
        storage.close().await;
    }
}

/// One that writes as before would write what nobody can read, and one that reads as before would misread.
#[tokio::test]
async fn an_older_program_that_has_it_open_fails() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("v3.db");
    fs::copy(golden(3), &file).unwrap();
    let mut older = connect(&file).await;
    let load = "SELECT revision, value FROM omemo_record";
    let commit = "INSERT INTO omemo_batch \
            (account, id, expected, revisions, changed, changed_at, added, added_at, bytes, deleted, last) \
        VALUES ('a', zeroblob(16), NULL, x'', NULL, x'', NULL, x'', x'', NULL, (SELECT max(rowid) FROM omemo_record))";
    // What is broken of the application's own is no reason not to go on.
    let broken = "CREATE VIEW broken AS SELECT * FROM missing";
    for statement in [load, commit, broken] {
        older.execute(statement).await.unwrap();
    }

    let storage = open_copy(&file).await;
    for statement in [load, commit] {
        assert!(older.execute(statement).await.is_err(), "{statement}");
    }
    for (n, account) in accounts().iter().enumerate() {
        assert_eq!(all(&storage, account).await, expected(n));
    }
}

/// All that was stored goes through the log, where it would stay when it is replaced.
#[tokio::test]
async fn nothing_stays_in_the_log() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("v3.db");
    fs::copy(golden(3), &file).unwrap();
    let storage = open_copy(&file).await;
    let log = fs::read(directory.path().join("v3.db-wal")).unwrap();
    // That of an item in `values`.
    assert!(
        !log.windows(1_000)
            .any(|part| part.iter().all(|byte| *byte == 0xff))
    );
    storage.close().await;
}

#[tokio::test]
async fn an_earlier_schema_that_may_not_be_written() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("v3.db");
    fs::copy(golden(3), &file).unwrap();
    let read_only = format!("sqlite:{}?mode=ro", file.display());
    let refused = SqliteStorage::open(read_only).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert!(refused.to_string().contains("earlier version"), "{refused}");
}

/// So that a migration cannot be added without the file that tests the next.
#[test]
fn there_is_a_golden_file_of_every_schema() {
    for version in 1..=newest() {
        assert!(
            golden(version).exists(),
            "{} is missing",
            golden(version).display()
        );
    }
}

#[test]
#[ignore = "writes the golden file of the newest schema, where there is none"]
fn write_the_newest_golden_file() {
    let file = golden(newest());
    assert!(!file.exists(), "{} stays as it is", file.display());
    let directory = TempDir::new().unwrap();
    let new = directory.path().join("new.db");
    wait(async {
        let storage = SqliteStorage::open(&new).await.unwrap();
        fill(&storage).await;
        storage.close().await;
    });
    fs::copy(new, file).unwrap();
}
