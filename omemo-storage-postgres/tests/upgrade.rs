//! Databases of every earlier schema open, and have lost nothing.
//!
//! `golden/v1.sql` is what `pg_dump --schema --inserts --no-owner` wrote of a schema at version 1, with records that were
//! committed by it, and so on. With a new migration comes a new file; those there are stay as they are.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Schema, connect, pool};
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Query, Record, Revision, Storage, Value};
use omemo_storage_postgres::{PostgresOptions, PostgresStorage};
use sqlx::AssertSqlSafe;

fn in_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The newest version: there is a migration to each.
fn newest() -> usize {
    in_crate("migrations").read_dir().unwrap().count()
}

/// A schema as a version of old has left it.
async fn golden(version: usize) -> Schema {
    let script = fs::read_to_string(in_crate(&format!("tests/golden/v{version}.sql"))).unwrap();
    let schema = Schema::new();
    let mut connection = connect().await;
    sqlx::raw_sql(AssertSqlSafe(script.replace("omemo_golden", &schema.name)))
        .execute(&mut connection)
        .await
        .unwrap();
    schema
}

fn accounts() -> [AccountId; 3] {
    let long = format!("{}@capulet.lit", "j".repeat(3_000));
    ["romeo@montague.lit", "Romeo@montague.lit", &long].map(|name| AccountId::new(name).unwrap())
}

fn id(account: usize, commit: u8) -> CommitId {
    CommitId::from_bytes([0x10 * (account as u8 + 1) + commit; 16])
}

fn replaced() -> Key {
    Key::new("replaced", "i").unwrap()
}

/// What every account holds: what its first commit has put, and of what its second has deleted and replaced the latter.
fn expected(account: usize) -> BTreeMap<Key, Record> {
    let long = "n".repeat(4_096);
    let first = [
        ("account", "identity", (0..=255).collect()),
        ("account", "empty", Vec::new()),
        ("contact/juliet@capulet.lit", "session/ä'%\"", vec![0xff; 600]),
        (
            "contact/Juliet@capulet.lit",
            "contact",
            b"of another name".to_vec(),
        ),
        (&*long, &*long, b"long".to_vec()),
    ];
    let record = |commit, value| Record {
        revision: Revision::from(id(account, commit)),
        value: Value::from(value),
    };
    let first = first
        .map(|(partition, item, value)| (Key::new(partition, item).unwrap(), record(1, value)))
        .into_iter();
    first.chain([(replaced(), record(2, b"new".to_vec()))]).collect()
}

async fn loaded(storage: &PostgresStorage, account: &AccountId) -> BTreeMap<Key, Record> {
    let mut query = Query::new();
    for info in storage.records(account, None, 1_000).await.unwrap().entries {
        query.records.insert(info.key);
    }
    storage.load(account, &query).await.unwrap().records
}

/// Through connections of every kind.
async fn each_way(schema: &Schema) -> [PostgresStorage; 3] {
    let options = |options: PostgresOptions| options.schema(&schema.name).open();
    [
        schema.open().await,
        options(schema.options().pgbouncer()).await.unwrap(),
        options(PostgresOptions::from_pool(pool(common::connect_options())))
            .await
            .unwrap(),
    ]
}

#[test]
fn every_earlier_version_is_kept() {
    for version in 1..newest() {
        let path = in_crate(&format!("tests/golden/v{version}.sql"));
        assert!(path.exists(), "{} is missing", path.display());
    }
}

#[tokio::test]
async fn records_of_every_earlier_version_are_there() {
    for version in 1..newest() {
        let schema = golden(version).await;
        for storage in each_way(&schema).await {
            assert_eq!(storage.accounts(None, 10).await.unwrap().entries.len(), 3);
            for (number, account) in accounts().iter().enumerate() {
                assert_eq!(loaded(&storage, account).await, expected(number), "v{version}");
            }
        }
        assert_eq!(schema.count("$.omemo_schema").await, newest() as i64);
    }
}

/// What was applied before the migration is not applied after it, and what it relied on still counts.
#[tokio::test]
async fn commits_of_every_earlier_version_are_remembered() {
    for version in 1..newest() {
        let schema = golden(version).await;
        for (number, account) in accounts().iter().enumerate() {
            for (way, storage) in each_way(&schema).await.iter().enumerate() {
                for commit in [1, 2] {
                    let mut again = Batch::new(id(number, commit));
                    again.put(replaced(), None, Value::from(b"again".to_vec()));
                    assert_eq!(storage.commit(account, &again).await.unwrap(), Committed::Applied);
                }
                let before = if way == 0 { id(number, 2) } else { id(way, 0xf) };
                let after = id(way + 1, 0xf);
                let replace = |expected: CommitId| {
                    let mut batch = Batch::new(after);
                    batch.put(replaced(), Some(expected.into()), Value::from(vec![way as u8]));
                    batch
                };
                let stale = replace(id(number, 1));
                assert_eq!(
                    storage.commit(account, &stale).await.unwrap(),
                    Committed::Conflict
                );
                let fresh = replace(before);
                assert_eq!(storage.commit(account, &fresh).await.unwrap(), Committed::Applied);
                let stored = loaded(storage, account).await;
                assert_eq!(stored[&replaced()].value.as_bytes(), [way as u8]);
            }
        }
    }
}

/// A process of the version before may go on while others have migrated: both take the same lock, and each sees what the
/// other has written.
#[tokio::test]
async fn function_of_the_first_version_still_works() {
    let schema = golden(1).await;
    let storage = schema.open().await;
    let commit = |id: &str, expected: &str, value: &str| {
        format!(
            "$.omemo_schema WHERE $.omemo_commit('romeo@montague.lit', NULL, '\\x{id}', ARRAY['replaced'], ARRAY['i'], \
             ARRAY['\\x{expected}'::bytea], ARRAY['{value}'::bytea], NULL::boolean[], NULL, NULL, true) AND version = 1"
        )
    };
    let (first, second) = ("12".repeat(16), "a1".repeat(16));
    assert_eq!(schema.count(&commit(&second, &first, "old")).await, 1);
    let account = &accounts()[0];
    let record = loaded(&storage, account).await.remove(&replaced()).unwrap();
    assert_eq!(record.value.as_bytes(), b"old");
    let mut batch = Batch::new(CommitId::from_bytes([0xa2; 16]));
    batch.put(replaced(), Some(record.revision), Value::from(b"mine".to_vec()));
    assert_eq!(storage.commit(account, &batch).await.unwrap(), Committed::Applied);
    assert_eq!(schema.count(&commit(&"a3".repeat(16), &second, "lost")).await, 0);
    assert_eq!(schema.count(&commit(&second, &first, "again")).await, 1);
    let record = loaded(&storage, account).await.remove(&replaced()).unwrap();
    assert_eq!(record.value.as_bytes(), b"mine");
}
