//! Several processes share a file. The test's own program is started again to be the others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod common;

use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use common::{account, increment, key, value};
use omemo_storage::{Committed, Name, Query, Revision, Storage, Value, blocking::wait};
use omemo_storage_sqlite::SqliteStorage;
use tempfile::TempDir;

/// Names the file to the other processes.
const FILE: &str = "OMEMO_STORAGE_SQLITE_TEST_FILE";
const INCREMENTS: usize = 100;

fn start(part: &str, file: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([part, "--exact", "--ignored", "--quiet"])
        .env(FILE, file)
        .spawn()
        .unwrap()
}

fn open_named_file() -> SqliteStorage {
    let file = std::env::var_os(FILE).expect("is run by another test");
    wait(SqliteStorage::open(file)).unwrap()
}

#[test]
#[ignore = "is run by another test, in a process of its own"]
fn part_that_increments() {
    let storage = open_named_file();
    for _ in 0..INCREMENTS {
        wait(increment(&storage, &key("p", "counter")));
    }
}

#[test]
#[ignore = "is run by another test, in a process of its own"]
fn part_that_writes_until_killed() {
    let storage = open_named_file();
    let mut revision: Option<Revision> = None;
    for n in 0_u32.. {
        let mut batch = common::batch();
        for item in 0..50 {
            let value = Value::from(n.to_be_bytes().repeat(200));
            batch.put(key("p", &item.to_string()), revision, value);
        }
        assert_eq!(
            wait(storage.commit(&account(), &batch)).unwrap(),
            Committed::Applied
        );
        revision = Some(batch.id().into());
    }
}

/// All open the new file at the same time, and none loses an increment of another.
#[test]
fn concurrent_processes() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("omemo.db");
    let mut others: Vec<Child> = (0..4).map(|_| start("part_that_increments", &file)).collect();
    for other in &mut others {
        assert!(other.wait().unwrap().success());
    }
    let storage = wait(SqliteStorage::open(file)).unwrap();
    let count = wait(value(&storage, &key("p", "counter"))).unwrap();
    assert_eq!(count, Some((4 * INCREMENTS).to_string()));
}

/// What a process that was killed was writing is there whole or not at all.
#[test]
fn killed_process() {
    for round in 1..=5 {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("omemo.db");
        let mut other = start("part_that_writes_until_killed", &file);
        thread::sleep(Duration::from_millis(60 * round));
        other.kill().unwrap();
        other.wait().unwrap();

        let storage = wait(SqliteStorage::open(file)).unwrap();
        let mut query = Query::new();
        query.partitions.insert(Name::new("p").unwrap());
        let records = wait(storage.load(&account(), &query)).unwrap().records;
        assert!(records.is_empty() || records.len() == 50);
        let mut records = records.into_values();
        let first = records.next();
        assert!(records.all(|record| Some(&record) == first.as_ref()));
    }
}
