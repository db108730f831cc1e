//! A storage of somebody else's design passes: the example that keeps accounts in files of a directory.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::process::Command;

use omemo_conformance::storage::{Capabilities, Capability, Factory, cases, write_until_killed};
use omemo_storage::StorageError;
use omemo_storage::blocking::Inline;
use omemo_storage_memory::MemoryStorage;
use tempfile::TempDir;

use crate::storage::DirectoryStorage;

#[path = "../examples/directory/storage.rs"]
mod storage;

/// Names the directory to the processes that are started.
const DIRECTORY: &str = "OMEMO_CONFORMANCE_TEST_DIRECTORY";

#[test]
#[ignore = "is run by another test, in a process of its own"]
fn part_that_writes_until_killed() {
    let directory = std::env::var_os(DIRECTORY).unwrap();
    write_until_killed(&Inline(DirectoryStorage::open(directory).unwrap()));
}

#[test]
#[ignore = "is run by another test, in a process of its own"]
fn part_that_only_says_that_it_writes() {
    write_until_killed(&MemoryStorage::new());
}

struct Directory {
    directory: TempDir,
    writer: &'static str,
}

impl Directory {
    fn new() -> Self {
        Self::written_by("part_that_writes_until_killed")
    }

    fn written_by(writer: &'static str) -> Self {
        let directory = TempDir::new().unwrap();
        Self { directory, writer }
    }
}

impl Factory for Directory {
    type Storage = Inline<DirectoryStorage>;

    async fn open(&self) -> Result<Self::Storage, StorageError> {
        DirectoryStorage::open(self.directory.path()).map(Inline)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all_but([Capability::Restart, Capability::Cut])
    }

    fn writer(&self) -> Command {
        let mut writer = Command::new(std::env::current_exe().unwrap());
        writer.args([self.writer, "--exact", "--ignored"]);
        writer.env(DIRECTORY, self.directory.path());
        writer
    }
}

omemo_conformance::storage_suite!(tokio::test, Directory::new(), lacks: [Restart, Cut]);

/// The suite notices processes that acknowledge what they never wrote.
#[tokio::test]
#[should_panic(expected = "commits are there")]
async fn acknowledged_commits_that_die_with_the_process_are_missed() {
    let factory = Directory::written_by("part_that_only_says_that_it_writes");
    cases::killed_processes_lose_nothing_acknowledged(factory).await;
}

/// Newcomers have to be able to read it.
#[test]
fn it_is_written_in_under_300_lines() {
    let lines = include_str!("../examples/directory/storage.rs").lines().count();
    println!("{lines} lines");
    assert!(lines < 300, "{lines} lines");
}
