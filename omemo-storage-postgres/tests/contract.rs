//! The storage in PostgreSQL keeps the contract.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::process::Command;

use common::Schema;
use common::pooler::Pooler;
use common::proxy::Proxy;
use common::server::Server;
use omemo_conformance::storage::{Alternating, Capabilities, Capability, Factory, write_until_killed};
use omemo_storage::StorageError;
use omemo_storage::blocking::wait;
use omemo_storage_postgres::{PostgresOptions, PostgresStorage};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// What a process that is started is to open: a URL, a schema, and what else is in the way.
const TARGET: &str = "OMEMO_STORAGE_POSTGRES_TEST_TARGET";

#[test]
#[ignore = "is run by another test, in a process of its own"]
fn part_that_writes_until_killed() {
    let target = std::env::var(TARGET).unwrap();
    let target: Vec<&str> = target.split(' ').collect();
    let [url, schema, way] = target[..] else {
        panic!("{target:?}")
    };
    let options = PostgresOptions::new(url).unwrap().schema(schema).connections(2);
    let options = if way == "text" {
        options.pgbouncer()
    } else {
        options
    };
    write_until_killed(&wait(options.open()).unwrap());
}

/// A schema that goes with the factory, and a way to it.
struct Database {
    schema: Schema,
    url: String,
    /// Whether calls are texts.
    text: bool,
    partitions: u32,
    proxy: Option<Proxy>,
    _pooler: Option<Pooler>,
}

impl Database {
    /// Through a proxy that can cut connections.
    fn new() -> Self {
        let proxy = Proxy::start();
        Self {
            schema: Schema::new(),
            url: proxy.url(),
            text: false,
            partitions: 0,
            proxy: Some(proxy),
            _pooler: None,
        }
    }

    fn as_text() -> Self {
        Self {
            text: true,
            ..Self::new()
        }
    }

    fn partitioned() -> Self {
        Self {
            partitions: 16,
            ..Self::new()
        }
    }

    fn through_pgbouncer() -> Self {
        let pooler = Pooler::start();
        Self {
            url: pooler.url(),
            text: true,
            proxy: None,
            _pooler: Some(pooler),
            ..Self::new()
        }
    }

    /// As a role that owns nothing and sees the rows of one account at a time.
    async fn row_secured() -> Self {
        let mut database = Self {
            proxy: None,
            ..Self::new()
        };
        let owner = database.schema.options().row_security().open().await.unwrap();
        owner.close().await;
        database.url = database.schema.role().await;
        database
    }

    fn options(&self) -> PostgresOptions {
        let options = PostgresOptions::new(&self.url)
            .unwrap()
            .schema(&self.schema.name)
            .connections(6)
            .hash_partitions(self.partitions);
        if self.text { options.pgbouncer() } else { options }
    }
}

impl Factory for Database {
    type Storage = PostgresStorage;

    async fn open(&self) -> Result<PostgresStorage, StorageError> {
        self.options().open().await
    }

    fn capabilities(&self) -> Capabilities {
        let mut lacking = vec![Capability::Restart];
        if self.proxy.is_none() {
            lacking.push(Capability::Cut);
        }
        Capabilities::all_but(lacking)
    }

    fn writer(&self) -> Command {
        let way = if self.text { "text" } else { "prepared" };
        writer(&format!("{} {} {way}", self.url, self.schema.name))
    }

    async fn cut(&self) {
        self.proxy.as_ref().unwrap().cut();
    }
}

fn writer(target: &str) -> Command {
    let mut writer = Command::new(std::env::current_exe().unwrap());
    writer.args(["part_that_writes_until_killed", "--exact", "--ignored"]);
    writer.env(TARGET, target);
    writer
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

    async fn cut(&self) {
        self.0.cut().await;
    }
}

/// On a pool of the application's.
struct InPool {
    database: Database,
    pool: PgPool,
}

impl InPool {
    /// A pool is made within a runtime of tokio.
    fn new() -> Self {
        let database = Database::new();
        let pool = PgPoolOptions::new().max_connections(6);
        let pool = pool.connect_lazy(&database.url).unwrap();
        Self { database, pool }
    }
}

impl Factory for InPool {
    type Storage = PostgresStorage;

    async fn open(&self) -> Result<PostgresStorage, StorageError> {
        PostgresOptions::from_pool(self.pool.clone())
            .schema(&self.database.schema.name)
            .open()
            .await
    }

    fn capabilities(&self) -> Capabilities {
        self.database.capabilities()
    }

    fn writer(&self) -> Command {
        self.database.writer()
    }

    async fn cut(&self) {
        self.database.cut().await;
    }
}

/// A server that can be killed.
struct Mortal(Server);

impl Factory for Mortal {
    type Storage = PostgresStorage;

    async fn open(&self) -> Result<PostgresStorage, StorageError> {
        self.0.options().open().await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::of([
            Capability::Shared,
            Capability::Fresh,
            Capability::Durable,
            Capability::Restart,
        ])
    }

    async fn restart(&self) {
        self.0.kill();
        self.0.revive().await;
    }
}

mod one_opening {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, Database::new(), lacks: [Restart]);
}

mod two_openings {
    use super::*;

    omemo_conformance::storage_suite!(
        tokio::test(flavor = "multi_thread"),
        OpenedTwice(Database::new()),
        lacks: [Restart]
    );
}

mod pool_of_the_application {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, InPool::new(), lacks: [Restart]);
}

mod partitioned {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, Database::partitioned(), lacks: [Restart]);
}

mod as_text {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, Database::as_text(), lacks: [Restart]);
}

mod through_pgbouncer {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, Database::through_pgbouncer(), lacks: [Restart, Cut]);
}

mod row_secured {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, Database::row_secured().await, lacks: [Restart, Cut]);
}

/// The suite once more where the server can be killed: what needs that, and nothing else.
mod killed_server {
    use omemo_conformance::storage::cases;

    use super::*;

    #[tokio::test]
    async fn restarts_lose_nothing_and_handles_recover() {
        let server = Mortal(Server::start(&[]).await);
        cases::restarts_lose_nothing_and_handles_recover(server).await;
    }
}
