//! The storage in Redis keeps the contract: on a single server, through several clients, and in a Cluster.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::process::Command;
use std::sync::{Mutex, OnceLock};

use common::cluster::Cluster;
use common::server::Server;
use omemo_conformance::storage::behaviours;
use omemo_conformance::storage::{Alternating, Capabilities, Capability, Factory, write_until_killed};
use omemo_storage::StorageError;
use omemo_storage::blocking::wait;
use omemo_storage_redis::RedisStorage;

/// Names the server to the processes that are started.
const URL: &str = "OMEMO_STORAGE_REDIS_TEST_URL";

#[test]
#[ignore = "is run by another test, in a process of its own"]
fn part_that_writes_until_killed() {
    let url = std::env::var(URL).unwrap();
    write_until_killed(&wait(RedisStorage::open(url)).unwrap());
}

fn writer(url: String) -> Command {
    let mut writer = Command::new(std::env::current_exe().unwrap());
    writer.args(["part_that_writes_until_killed", "--exact", "--ignored"]);
    writer.env(URL, url);
    writer
}

/// A server that goes with the factory.
struct Single(Mutex<Server>);

impl Single {
    fn new() -> Self {
        Self(Mutex::new(Server::durable()))
    }

    fn url(&self) -> String {
        self.0.lock().unwrap().url()
    }
}

impl Factory for Single {
    type Storage = RedisStorage;

    async fn open(&self) -> Result<RedisStorage, StorageError> {
        RedisStorage::open(self.url()).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all_but([])
    }

    fn writer(&self) -> Command {
        writer(self.url())
    }

    async fn restart(&self) {
        let mut server = self.0.lock().unwrap();
        server.kill();
        server.restart();
    }

    async fn cut(&self) {
        let _: u64 = self.0.lock().unwrap().run("CLIENT KILL TYPE normal SKIPME yes");
    }
}

/// Each call goes through another client than the call before, as from two processes.
struct TwoClients(Single);

impl Factory for TwoClients {
    type Storage = Alternating<RedisStorage>;

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

    async fn restart(&self) {
        self.0.restart().await;
    }

    async fn cut(&self) {
        self.0.cut().await;
    }
}

/// A Cluster that all tests share, so none may break it.
struct Shared;

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(3, false))
}

impl Factory for Shared {
    type Storage = RedisStorage;

    async fn open(&self) -> Result<RedisStorage, StorageError> {
        RedisStorage::open(cluster().url()).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all_but([Capability::Restart, Capability::Cut])
    }

    fn writer(&self) -> Command {
        writer(cluster().url())
    }
}

/// A Cluster of the test's own, which may be broken.
struct Breakable(Mutex<Cluster>);

impl Factory for Breakable {
    type Storage = RedisStorage;

    async fn open(&self) -> Result<RedisStorage, StorageError> {
        let url = self.0.lock().unwrap().url();
        RedisStorage::open(url).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all_but([Capability::Processes])
    }

    async fn restart(&self) {
        self.0.lock().unwrap().restart();
    }

    async fn cut(&self) {
        self.0.lock().unwrap().cut();
    }
}

#[tokio::test]
async fn restarts_of_a_whole_cluster() {
    let cluster = Breakable(Mutex::new(Cluster::start(3, false)));
    behaviours::restarts_lose_nothing_and_handles_recover(&cluster).await;
}

#[tokio::test]
async fn cut_connections_to_a_cluster() {
    let cluster = Breakable(Mutex::new(Cluster::start(3, false)));
    behaviours::cut_connections_lose_nothing_and_handles_recover(&cluster).await;
}

mod one_server {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, Single::new(), lacks: []);
}

mod two_clients {
    use super::*;

    omemo_conformance::storage_suite!(
        tokio::test(flavor = "multi_thread"),
        TwoClients(Single::new()),
        lacks: []
    );
}

mod in_a_cluster {
    use super::*;

    omemo_conformance::storage_suite!(tokio::test, Shared, lacks: [Restart, Cut]);
}
