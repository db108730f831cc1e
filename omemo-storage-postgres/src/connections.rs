//! Who uses which connection.
//!
//! A pool of sqlx asks the server for a sign of life whenever a connection comes back, so connections of the storage's
//! own are kept here instead. One that did not end its call is closed; what it was doing, the server ends or undoes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use omemo_storage::{ErrorKind, StorageError};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{Connection, Error, PgConnection, PgPool, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::call::{Argument, Call, Protocol, Statement};
use crate::error::{error, is_in_transaction, is_lost};
use crate::options::Durability;
use crate::schema::Statements;

/// Where connections come from.
pub(crate) enum Source {
    /// They are the storage's own.
    Own(Own),
    /// They are the application's.
    Pool(PgPool),
}

/// What the functions named `omemo_own_...` rely on: they are planned once a connection, for any parameters, and never to
/// read a table from end to end.
const SET_UP: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off";

/// Connections between calls, the one used last on top.
pub(crate) struct Own {
    connect: Box<PgConnectOptions>,
    /// Whether each is a session, and so can be set up.
    are_sessions: bool,
    most: u32,
    patience: Duration,
    free: Semaphore,
    idle: Mutex<Vec<PgConnection>>,
}

impl Own {
    pub(crate) fn new(
        connect: Box<PgConnectOptions>,
        protocol: Protocol,
        most: u32,
        patience: Duration,
    ) -> Self {
        Self {
            connect,
            are_sessions: protocol == Protocol::Prepared,
            most,
            patience,
            free: Semaphore::new(most as usize),
            idle: Mutex::new(Vec::new()),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<PgConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn lease(&self) -> Result<Lease<'_>, StorageError> {
        let lease = async {
            let permit = self.free.acquire().await.map_err(|_| error(Error::PoolClosed))?;
            let idle = self.idle().pop();
            let connection = match idle {
                Some(connection) => connection,
                None => self.connect().await.map_err(error)?,
            };
            Ok(Lease::Own(self, connection, permit))
        };
        timeout(self.patience, lease)
            .await
            .unwrap_or_else(|_| Err(error(Error::PoolTimedOut)))
    }

    async fn connect(&self) -> Result<PgConnection, Error> {
        let mut connection = PgConnection::connect_with(&self.connect).await?;
        if self.are_sessions {
            sqlx::raw_sql(SET_UP).execute(&mut connection).await?;
        }
        Ok(connection)
    }
}

impl Source {
    pub(crate) async fn lease(&self) -> Result<Lease<'_>, StorageError> {
        match self {
            Self::Own(own) => own.lease().await,
            Self::Pool(pool) => pool.acquire().await.map(Lease::Pooled).map_err(error),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Own(own) if own.are_sessions => Kind::SetUp,
            Self::Own(_) => Kind::Plain,
            Self::Pool(_) => Kind::Shared,
        }
    }
}

/// What can be relied on at a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It has what `omemo_own_...` need.
    SetUp,
    /// Nobody else uses it.
    Plain,
    /// Others use it too, and may have left it within a transaction.
    Shared,
}

/// A connection in use.
pub(crate) enum Lease<'a> {
    Own(&'a Own, PgConnection, SemaphorePermit<'a>),
    Pooled(PoolConnection<Postgres>),
}

impl Lease<'_> {
    pub(crate) fn get(&mut self) -> &mut PgConnection {
        match self {
            Self::Own(_, connection, _) => connection,
            Self::Pooled(connection) => connection,
        }
    }

    /// Whatever it is in the middle of, nobody else gets the connection. One of the storage's own is closed anyway unless it
    /// is given back.
    pub(crate) fn close_when_dropped(&mut self) {
        if let Self::Pooled(connection) = self {
            connection.close_on_drop();
        }
    }

    /// Ends the lease after a call that went to its end.
    pub(crate) fn give_back(self) {
        if let Self::Own(own, connection, permit) = self {
            own.idle().push(connection);
            drop(permit);
        }
    }

    /// Ends the lease of a connection that was lost. If the server went away, the others were lost too.
    fn give_up(mut self) {
        self.close_when_dropped();
        if let Self::Own(own, ..) = &self {
            own.idle().clear();
        }
    }
}

/// The connections, and what is said on them.
pub(crate) struct Connections {
    pub(crate) source: Source,
    pub(crate) protocol: Protocol,
    pub(crate) durability: Durability,
    pub(crate) statements: Statements,
    /// How long a call may take.
    pub(crate) answer_timeout: Duration,
}

impl Connections {
    pub(crate) fn durable(&self) -> bool {
        self.durability == Durability::Required
    }

    /// What the connections of [`run`](Self::run) are.
    pub(crate) fn kind(&self) -> Kind {
        self.source.kind()
    }

    pub(crate) fn call<'a>(
        &'a self,
        statement: impl Fn(&'a Statements) -> &'a Statement,
        arguments: Vec<Argument<'a>>,
    ) -> Call<'a> {
        statement(&self.statements).call(self.protocol, arguments)
    }

    /// Makes a call. The outer error comes before anything was sent, the inner one after.
    pub(crate) async fn run(&self, call: Call<'_>) -> Result<Result<Vec<PgRow>, Error>, StorageError> {
        let mut lease = self.source.lease().await?;
        let outcome = timeout(self.answer_timeout, call.run(lease.get()))
            .await
            // A server that went without a word says nothing for ever.
            .unwrap_or_else(|_| Err(Error::Io(std::io::ErrorKind::TimedOut.into())));
        match &outcome {
            Err(failed) if is_lost(failed) => lease.give_up(),
            Err(failed) if is_in_transaction(failed) => lease.close_when_dropped(),
            _ => lease.give_back(),
        }
        Ok(outcome)
    }

    /// A connection for several statements.
    pub(crate) async fn lease(&self) -> Result<Lease<'_>, StorageError> {
        self.source.lease().await
    }

    /// Waits for the calls under way.
    pub(crate) async fn close(&self) {
        match &self.source {
            Source::Own(own) => {
                let everything = own.free.acquire_many(own.most).await;
                own.free.close();
                drop(everything);
                let idle = std::mem::take(&mut *own.idle());
                for connection in idle {
                    // A connection that cannot be closed is gone already.
                    let _ = connection.close().await;
                }
            }
            Source::Pool(pool) => pool.close().await,
        }
    }
}

/// The kind of error for a server whose settings are not what the storage needs.
pub(crate) fn misconfigured(message: String) -> StorageError {
    StorageError::new(ErrorKind::Misconfigured, message)
}
