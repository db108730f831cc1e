//! Where storages keep what they are told, for tests of several of them: each of this project's, its server, and what may be
//! around it. The servers are those that the crates of the storages are tested with.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

#[path = "../../../omemo-storage-postgres/tests/common/mod.rs"]
pub(crate) mod postgres;
#[path = "../../../omemo-storage-redis/tests/common/mod.rs"]
pub(crate) mod redis;
pub(crate) mod resp;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use omemo_storage::{AnyStorage, Cached, MasterKey, Sealed, StorageError};
use omemo_storage_memory::MemoryStorage;
use omemo_storage_postgres::PostgresOptions;
use omemo_storage_redis::{RedisOptions, RedisStorage};
use omemo_storage_sqlite::{SqliteOptions, SqliteStorage};
use tempfile::TempDir;

/// Where records are kept.
#[derive(Clone)]
pub(crate) enum Place {
    Memory(MemoryStorage),
    /// By the path of its file.
    Sqlite(String),
    /// By its URL, with the name of a schema as fragment if it is not the usual one.
    Postgres(String),
    Redis(String),
    /// A Redis Cluster whose primaries have replicas, which commits wait for.
    Replicated(String),
}

impl Place {
    pub(crate) fn named(name: &str) -> Self {
        match name.split_once(':') {
            Some(("sqlite", path)) => Self::Sqlite(path.to_owned()),
            Some(("postgres", _)) => Self::Postgres(name.to_owned()),
            Some(("redis" | "redis-cluster", _)) => Self::Redis(name.to_owned()),
            Some(("replicated", url)) => Self::Replicated(url.to_owned()),
            _ => panic!("{name}"),
        }
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::Memory(_) => panic!("memory is in one process"),
            Self::Sqlite(path) => format!("sqlite:{path}"),
            Self::Postgres(url) | Self::Redis(url) => url.clone(),
            Self::Replicated(url) => format!("replicated:{url}"),
        }
    }

    pub(crate) async fn open(&self) -> Result<AnyStorage, StorageError> {
        Ok(match self {
            Self::Memory(storage) => AnyStorage::new(storage.clone()),
            Self::Sqlite(path) => AnyStorage::new(SqliteStorage::open(path).await?),
            Self::Postgres(url) => AnyStorage::new(postgres_options(url)?.open().await?),
            Self::Redis(url) => AnyStorage::new(RedisStorage::open(url).await?),
            Self::Replicated(url) => {
                let options = RedisOptions::new(url)?.wait_for_replicas(1, REPLICAS_MAY_TAKE);
                AnyStorage::new(options.open().await?)
            }
        })
    }

    /// Opens it to be quick, for tests in which no server dies.
    pub(crate) async fn open_volatile(&self) -> Result<AnyStorage, StorageError> {
        Ok(match self {
            Self::Memory(storage) => AnyStorage::new(storage.clone()),
            Self::Sqlite(path) => AnyStorage::new(SqliteOptions::new(path)?.allow_volatile().open().await?),
            Self::Postgres(url) => {
                let options = postgres_options(url)?.allow_volatile().connections(2);
                AnyStorage::new(options.open().await?)
            }
            Self::Redis(url) | Self::Replicated(url) => {
                AnyStorage::new(RedisOptions::new(url)?.allow_volatile().open().await?)
            }
        })
    }

    /// Host and port of the server.
    pub(crate) fn address(&self) -> (String, u16) {
        let (_, address, _) = self.parts();
        let (host, port) = address.split_once(':').unwrap();
        (host.to_owned(), port.parse().unwrap())
    }

    /// The same place by way of a proxy.
    pub(crate) fn through(&self, proxy: SocketAddr) -> Self {
        let (before, _, after) = self.parts();
        Self::named(&format!("{before}{proxy}{after}"))
    }

    /// What stands before the address in a URL, the address, and what stands behind it.
    fn parts(&self) -> (String, String, String) {
        let url = self.name();
        let (scheme, rest) = url.split_once("://").unwrap();
        let (user, rest) = rest
            .split_once('@')
            .map_or(("", rest), |(user, rest)| (user, rest));
        let at = if user.is_empty() { "" } else { "@" };
        let end = rest.find(['/', '#', '?']).unwrap_or(rest.len());
        let (address, after) = rest.split_at(end);
        (
            format!("{scheme}://{user}{at}"),
            address.to_owned(),
            after.to_owned(),
        )
    }
}

/// How long the replicas of a primary may take to have a commit.
const REPLICAS_MAY_TAKE: Duration = Duration::from_millis(500);

fn postgres_options(url: &str) -> Result<PostgresOptions, StorageError> {
    let (url, schema) = url.split_once('#').unwrap_or((url, "public"));
    Ok(PostgresOptions::new(url)?.schema(schema))
}

/// What serves the records, or holds them.
pub(crate) enum Server {
    Memory,
    Sqlite(TempDir),
    Postgres(postgres::server::Server),
    Redis(Mutex<redis::server::Server>),
    Cluster(Mutex<redis::cluster::Cluster>),
    /// A schema on the server that `OMEMO_TEST_POSTGRES` names.
    Schema(postgres::Schema),
    OrdinaryRedis(redis::server::Ordinary),
    OrdinaryCluster(redis::cluster::OrdinaryCluster),
}

impl Server {
    pub(crate) const NAMES: [&str; 5] = ["memory", "SQLite", "PostgreSQL", "Redis", "Redis Cluster"];

    /// One of the test's own, to be broken.
    pub(crate) fn start(name: &str) -> Self {
        match name {
            "memory" => Self::Memory,
            "SQLite" => Self::Sqlite(TempDir::new().unwrap()),
            // A connection that a dropped call has given up takes the server a while to end.
            "PostgreSQL" => Self::Postgres(on_tokio(postgres::server::Server::start(&[
                "max_connections=300",
            ]))),
            "Redis" => Self::Redis(Mutex::new(redis::server::Server::durable())),
            "Redis Cluster" => Self::Cluster(Mutex::new(redis::cluster::Cluster::start(3, false))),
            other => panic!("{other}"),
        }
    }

    /// For tests that break nothing: the server that runs already, where one is named, as `./test` does.
    pub(crate) fn ordinary(name: &str) -> Self {
        match name {
            "PostgreSQL" if std::env::var_os("OMEMO_TEST_POSTGRES").is_some() => {
                Self::Schema(postgres::Schema::new())
            }
            "Redis" => Self::OrdinaryRedis(redis::server::Ordinary::durable()),
            "Redis Cluster" => Self::OrdinaryCluster(redis::cluster::OrdinaryCluster::replicated()),
            other => Self::start(other),
        }
    }

    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Memory => Place::Memory(MemoryStorage::new()),
            Self::Sqlite(directory) => {
                Place::Sqlite(directory.path().join("omemo.db").to_str().unwrap().to_owned())
            }
            Self::Postgres(server) => Place::Postgres(server.url()),
            Self::Redis(server) => Place::Redis(server.lock().unwrap().url()),
            Self::Cluster(cluster) => Place::Redis(cluster.lock().unwrap().url()),
            Self::Schema(schema) => Place::Postgres(format!("{}#{}", postgres::url(), schema.name)),
            Self::OrdinaryRedis(server) => Place::Redis(server.url.clone()),
            Self::OrdinaryCluster(cluster) => Place::Replicated(cluster.url.clone()),
        }
    }
}

/// What is around the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapping {
    Plain,
    Sealed,
    Cached,
}

impl Wrapping {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Sealed, Self::Cached];

    pub(crate) fn named(name: &str) -> Self {
        let named = Self::ALL
            .into_iter()
            .find(|wrapping| format!("{wrapping:?}") == name);
        named.unwrap()
    }

    pub(crate) fn wrap(self, storage: AnyStorage) -> AnyStorage {
        match self {
            Self::Plain => storage,
            Self::Sealed => AnyStorage::new(Sealed::new(storage, MasterKey::from_bytes([7; 32]))),
            Self::Cached => AnyStorage::new(Cached::new(storage)),
        }
    }
}

/// Says something that people want to see also of a test that has passed, which `println` does not.
pub(crate) fn say(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").unwrap();
}

/// For threads without a runtime, which sqlx needs.
pub(crate) fn on_tokio<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}
