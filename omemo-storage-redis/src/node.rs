//! One server, and the connections to it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use omemo_storage::StorageError;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, Pipeline, Value};

use crate::error::{Failure, connection};
use crate::options::Settings;
use crate::{durability, error};

/// A server and its connections, which are made when they are needed.
pub(crate) struct Node {
    server: ConnectionInfo,
    settings: Arc<Settings>,
    lines: Vec<Line>,
}

impl Node {
    pub(crate) fn new(server: ConnectionInfo, settings: Arc<Settings>) -> Self {
        let lines = (0..settings.connections).map(|_| Line::default()).collect();
        Self {
            server,
            settings,
            lines,
        }
    }

    pub(crate) fn address(&self) -> &ConnectionAddr {
        self.server.addr()
    }

    /// Sends the commands in one piece; answers what came back for each.
    pub(crate) async fn send(&self, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
        let Some(line) = self.lines.iter().min_by_key(|line| line.calls()) else {
            return Err(Failure::NotSent(error::unavailable("there is no connection")));
        };
        let _turn = line.turn();
        let live = self.connected(line).await.map_err(Failure::NotSent)?;
        let mut connection = MultiplexedConnection::clone(&live);
        let answers = connection.send_packed_commands(commands, 0, commands.len()).await;
        answers.map_err(|lost| {
            line.forget(&live);
            Failure::Lost(lost)
        })
    }

    /// Makes sure that there is a connection, which checks the server.
    pub(crate) async fn connect(&self) -> Result<(), StorageError> {
        match self.lines.first() {
            Some(line) => self.connected(line).await.map(drop),
            None => Ok(()),
        }
    }

    async fn connected(&self, line: &Line) -> Result<Arc<MultiplexedConnection>, StorageError> {
        if let Some(live) = line.live().clone() {
            return Ok(live);
        }
        let _connecting = line.connecting.lock().await;
        if let Some(live) = line.live().clone() {
            return Ok(live);
        }
        let mut made = connect(&self.server, &self.settings).await?;
        durability::check(&mut made, &self.settings).await?;
        let made = Arc::new(made);
        *line.live() = Some(made.clone());
        Ok(made)
    }
}

/// A connection to a server that is not checked.
pub(crate) async fn connect(
    server: &ConnectionInfo,
    settings: &Settings,
) -> Result<MultiplexedConnection, StorageError> {
    let waiting = settings
        .replicas
        .map_or(Duration::ZERO, |replicas| replicas.timeout);
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.timeout))
        .set_response_timeout(Some(settings.timeout + waiting));
    Client::open(server.clone())
        .map_err(connection)?
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .map_err(connection)
}

/// A place for a connection.
#[derive(Default)]
struct Line {
    live: Mutex<Option<Arc<MultiplexedConnection>>>,
    /// Held by whoever makes the connection; others wait for it.
    connecting: tokio::sync::Mutex<()>,
    /// How many calls are under way.
    calls: AtomicUsize,
}

impl Line {
    fn live(&self) -> MutexGuard<'_, Option<Arc<MultiplexedConnection>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next call makes a new connection. Calls under way end on the old one.
    fn forget(&self, lost: &Arc<MultiplexedConnection>) {
        self.live().take_if(|live| Arc::ptr_eq(live, lost));
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn turn(&self) -> Turn<'_> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Turn(self)
    }
}

/// A call under way.
struct Turn<'a>(&'a Line);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}
