//! A storage and its wrapper, with the server that goes with it.

use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

use omemo_conformance::storage::{Capabilities, Capability, Factory};
use omemo_storage::{AnyStorage, Cached, MasterKey, Sealed, StorageError};
use omemo_storage_memory::MemoryStorage;
use omemo_storage_postgres::PostgresStorage;
use omemo_storage_redis::RedisStorage;
use omemo_storage_sqlite::SqliteStorage;
use sqlx::Executor;
use tempfile::TempDir;

use crate::{postgres, redis};

/// Tell a process that is started what to write in.
pub(crate) const PLACE: &str = "OMEMO_CONFORMANCE_TEST_PLACE";
pub(crate) const WRAPPING: &str = "OMEMO_CONFORMANCE_TEST_WRAPPING";

/// Where records are kept.
#[derive(Clone)]
pub(crate) enum Place {
    Memory(MemoryStorage),
    Sqlite(String),
    Postgres(String),
    Redis(String),
}

impl Place {
    pub(crate) fn named(name: &str) -> Self {
        match name.split_once(':') {
            Some(("sqlite", path)) => Self::Sqlite(path.to_owned()),
            Some(("postgres", _)) => Self::Postgres(name.to_owned()),
            Some(("redis" | "redis-cluster", _)) => Self::Redis(name.to_owned()),
            _ => panic!("{name}"),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Memory(_) => panic!("memory is in one process"),
            Self::Sqlite(path) => format!("sqlite:{path}"),
            Self::Postgres(url) | Self::Redis(url) => url.clone(),
        }
    }

    pub(crate) async fn open(&self) -> Result<AnyStorage, StorageError> {
        Ok(match self {
            Self::Memory(storage) => AnyStorage::new(storage.clone()),
            Self::Sqlite(path) => AnyStorage::new(SqliteStorage::open(path).await?),
            Self::Postgres(url) => AnyStorage::new(PostgresStorage::open(url).await?),
            Self::Redis(url) => AnyStorage::new(RedisStorage::open(url).await?),
        })
    }
}

/// What serves the records, or holds them.
pub(crate) enum Server {
    Memory,
    Sqlite(TempDir),
    Postgres(postgres::server::Server),
    Redis(Mutex<redis::server::Server>),
    Cluster(redis::cluster::Cluster),
}

impl Server {
    pub(crate) const NAMES: [&str; 5] = ["memory", "SQLite", "PostgreSQL", "Redis", "Redis Cluster"];

    fn start(name: &str) -> Self {
        match name {
            "memory" => Self::Memory,
            "SQLite" => Self::Sqlite(TempDir::new().unwrap()),
            "PostgreSQL" => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                Self::Postgres(runtime.unwrap().block_on(postgres::server::Server::start(&[])))
            }
            "Redis" => Self::Redis(Mutex::new(redis::server::Server::durable())),
            "Redis Cluster" => Self::Cluster(redis::cluster::Cluster::start(3, false)),
            other => panic!("{other}"),
        }
    }

    fn place(&self) -> Place {
        match self {
            Self::Memory => Place::Memory(MemoryStorage::new()),
            Self::Sqlite(directory) => {
                Place::Sqlite(directory.path().join("omemo.db").to_str().unwrap().to_owned())
            }
            Self::Postgres(server) => Place::Postgres(server.url()),
            Self::Redis(server) => Place::Redis(server.lock().unwrap().url()),
            Self::Cluster(cluster) => Place::Redis(cluster.url()),
        }
    }

    fn lacks(&self) -> Vec<Capability> {
        match self {
            Self::Memory => vec![Capability::Processes, Capability::Restart, Capability::Cut],
            Self::Sqlite(_) | Self::Cluster(_) => vec![Capability::Restart, Capability::Cut],
            Self::Postgres(_) | Self::Redis(_) => Vec::new(),
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

pub(crate) struct Subject {
    server: Server,
    place: Place,
    wrapping: Wrapping,
    /// One cache for all that is open at a time: what another cache has committed, a cache does not see at once.
    cache: Mutex<Weak<Cached<AnyStorage>>>,
}

impl Subject {
    pub(crate) fn new(server: &str, wrapping: Wrapping) -> Self {
        let server = Server::start(server);
        Self {
            place: server.place(),
            server,
            wrapping,
            cache: Mutex::default(),
        }
    }
}

impl Factory for Subject {
    type Storage = AnyStorage;

    async fn open(&self) -> Result<AnyStorage, StorageError> {
        if self.wrapping != Wrapping::Cached {
            return Ok(self.wrapping.wrap(self.place.open().await?));
        }
        let shared = self.cache.lock().unwrap().upgrade();
        let cached = match shared {
            Some(cached) => cached,
            None => {
                let cached = Arc::new(Cached::new(self.place.open().await?));
                *self.cache.lock().unwrap() = Arc::downgrade(&cached);
                cached
            }
        };
        Ok(AnyStorage::new(cached))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all_but(self.server.lacks())
    }

    fn writer(&self) -> Command {
        let mut writer = Command::new(std::env::current_exe().unwrap());
        writer.args(["part_that_writes_until_killed", "--exact", "--ignored"]);
        writer.env(PLACE, self.place.name());
        writer.env(WRAPPING, format!("{:?}", self.wrapping));
        writer
    }

    async fn restart(&self) {
        match &self.server {
            Server::Postgres(server) => {
                server.kill();
                on_tokio(server.revive());
            }
            Server::Redis(server) => {
                let mut server = server.lock().unwrap();
                server.kill();
                server.restart();
            }
            Server::Memory | Server::Sqlite(_) | Server::Cluster(_) => panic!("it does not restart"),
        }
    }

    async fn cut(&self) {
        match &self.server {
            Server::Postgres(server) => on_tokio(async {
                const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
                server.connect().await.execute(CUT).await.unwrap();
            }),
            Server::Redis(server) => {
                let _: u64 = server.lock().unwrap().run("CLIENT KILL TYPE normal SKIPME yes");
            }
            Server::Memory | Server::Sqlite(_) | Server::Cluster(_) => panic!("it has no connections"),
        }
    }
}

/// The suite calls from threads without a runtime, which sqlx needs.
fn on_tokio<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}
