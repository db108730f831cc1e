//! The storage in PostgreSQL keeps the contract.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::process::Command;

use common::{Schema, url};
use omemo_conformance::storage::{Alternating, Capabilities, Capability, Factory, write_until_killed};
use omemo_storage::StorageError;
use omemo_storage::blocking::wait;
use omemo_storage_postgres::{PostgresOptions, PostgresStorage};

/// Names the schema to the processes that are started.
const SCHEMA: &str = "OMEMO_STORAGE_POSTGRES_TEST_SCHEMA";

#[test]
#[ignore = "is run by another test, in a process of its own"]
fn part_that_writes_until_killed() {
    let schema = std::env::var(SCHEMA).unwrap();
    let options = PostgresOptions::new(&url()).unwrap().schema(&schema);
    write_until_killed(&wait(options.connections(2).open()).unwrap());
}

/// A schema that goes with the factory.
struct Database {
    schema: Schema,
    partitions: u32,
}

impl Database {
    fn new() -> Self {
        Self::partitioned(0)
    }

    fn partitioned(partitions: u32) -> Self {
        let schema = Schema::new();
        Self { schema, partitions }
    }
}

impl Factory for Database {
    type Storage = PostgresStorage;

    async fn open(&self) -> Result<PostgresStorage, StorageError> {
        self.schema
            .options()
            .hash_partitions(self.partitions)
            .open()
            .await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all_but([Capability::Restart, Capability::Cut])
    }

    fn writer(&self) -> Command {
        let mut writer = Command::new(std::env::current_exe().unwrap());
        writer.args(["part_that_writes_until_killed", "--exact", "--ignored"]);
        writer.env(SCHEMA, &self.schema.name);
        writer
    }
}

/// Each call goes to another opening of the database than the call before, as from two machines.
struct OpenedTwice(Database);

impl Factory for OpenedTwice {
    type Storage = Alternating<PostgresStorage>;

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

mod one_opening {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, Database::new(), lacks: [Restart, Cut]);
}

mod two_openings {
    use super::*;

    omemo_conformance::storage_suite!(
        tokio::test(flavor = "multi_thread"),
        OpenedTwice(Database::new()),
        lacks: [Restart, Cut]
    );
}

mod partitioned {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, Database::partitioned(16), lacks: [Restart, Cut]);
}
