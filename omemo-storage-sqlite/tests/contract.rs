//! The storage in SQLite keeps the contract.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::process::Command;

use omemo_conformance::storage::{Alternating, Capabilities, Capability, Factory, write_until_killed};
use omemo_storage::StorageError;
use omemo_storage::blocking::wait;
use omemo_storage_sqlite::{SqliteOptions, SqliteStorage};
use tempfile::TempDir;

/// Names the file to the processes that are started.
const FILE: &str = "OMEMO_STORAGE_SQLITE_TEST_FILE";

#[test]
#[ignore = "is run by another test, in a process of its own"]
fn part_that_writes_until_killed() {
    let file = std::env::var_os(FILE).unwrap();
    write_until_killed(&wait(SqliteStorage::open(file)).unwrap());
}

/// A file in a directory that goes with the factory.
struct File {
    directory: TempDir,
}

impl File {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        Self { directory }
    }
}

impl Factory for File {
    type Storage = SqliteStorage;

    async fn open(&self) -> Result<SqliteStorage, StorageError> {
        SqliteStorage::open(self.directory.path().join("omemo.db")).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all_but([Capability::Restart, Capability::Cut])
    }

    fn writer(&self) -> Command {
        let mut writer = Command::new(std::env::current_exe().unwrap());
        writer.args(["part_that_writes_until_killed", "--exact", "--ignored"]);
        writer.env(FILE, self.directory.path().join("omemo.db"));
        writer
    }
}

/// Each call goes to another opening of the file than the call before, as from two processes.
struct OpenedTwice(File);

impl Factory for OpenedTwice {
    type Storage = Alternating<SqliteStorage>;

    async fn open(&self) -> Result<Self::Storage, StorageError> {
        let openings = vec![self.0.open().await?, self.0.open().await?];
        Ok(Alternating::new(openings))
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn writer(&self) -> Command {
        self.0.writer()
    }
}

/// All calls share one connection.
struct OneConnection(File);

impl Factory for OneConnection {
    type Storage = SqliteStorage;

    async fn open(&self) -> Result<SqliteStorage, StorageError> {
        let options = SqliteOptions::new(self.0.directory.path().join("omemo.db"))?;
        options.connections(1).open().await
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn writer(&self) -> Command {
        self.0.writer()
    }
}

mod one_opening {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, File::new(), lacks: [Restart, Cut]);
}

mod two_openings {
    use super::*;

    omemo_conformance::storage_suite!(
        tokio::test(flavor = "multi_thread"),
        OpenedTwice(File::new()),
        lacks: [Restart, Cut]
    );
}

mod one_connection {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, OneConnection(File::new()), lacks: [Restart, Cut]);
}
