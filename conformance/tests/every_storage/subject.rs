//! A storage and its wrapper, with the server that goes with it, as the suite wants them.

use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

use omemo_conformance::storage::{Capabilities, Capability, Factory};
use omemo_storage::{AnyStorage, Cached, StorageError};
use sqlx::Executor;

use crate::places::{Place, Server, Wrapping, on_tokio};

/// Tell a process that is started what to write in.
pub(crate) const PLACE: &str = "OMEMO_CONFORMANCE_TEST_PLACE";
pub(crate) const WRAPPING: &str = "OMEMO_CONFORMANCE_TEST_WRAPPING";

/// What the suite does not ask of it.
fn lacks(server: &Server) -> Vec<Capability> {
    match server {
        Server::Memory => vec![Capability::Processes, Capability::Restart, Capability::Cut],
        Server::Sqlite(_) => vec![Capability::Restart, Capability::Cut],
        Server::Postgres(_) | Server::Redis(_) | Server::Cluster(_) => Vec::new(),
        Server::Schema(_) | Server::OrdinaryRedis(_) | Server::OrdinaryCluster(_) => {
            panic!("others use it too")
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
        Capabilities::all_but(lacks(&self.server))
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
            Server::Cluster(cluster) => cluster.lock().unwrap().restart(),
            _ => panic!("it does not restart"),
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
            Server::Cluster(cluster) => cluster.lock().unwrap().cut(),
            _ => panic!("it has no connections"),
        }
    }
}
