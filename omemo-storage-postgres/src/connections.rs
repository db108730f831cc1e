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
use crate::error::{error, is_lost};
use crate::options::Durability;
use crate::schema::Statements;

/// Where connections come from.
pub(crate) enum Source {
    /// They are the storage's own.
    Own(Own),
    /// They are the application's.
    Pool(PgPool),
}

/// Connections between calls, the one used last on top.
pub(crate) struct Own {
    connect: Box<PgConnectOptions>,
    most: u32,
    patience: Duration,
    free: Semaphore,
    idle: Mutex<Vec<PgConnection>>,
}

impl Own {
    pub(crate) fn new(connect: Box<PgConnectOptions>, most: u32, patience: Duration) -> Self {
        Self {
            connect,
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
                None => PgConnection::connect_with(&self.connect).await.map_err(error)?,
            };
            Ok(Lease::Own(self, connection, permit))
        };
        timeout(self.patience, lease)
            .await
            .unwrap_or_else(|_| Err(error(Error::PoolTimedOut)))
    }
}

impl Source {
    pub(crate) async fn lease(&self) -> Result<Lease<'_>, StorageError> {
        match self {
            Self::Own(own) => own.lease().await,
            Self::Pool(pool) => pool.acquire().await.map(Lease::Pooled).map_err(error),
        }
    }
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

    /// Ends the lease after a call that went to its end.
    pub(crate) fn give_back(self) {
        if let Self::Own(own, connection, permit) = self {
            own.idle().push(connection);
            drop(permit);
        }
    }

    /// Ends the lease of a connection that was lost. If the server went away, the others were lost too.
    fn give_up(self) {
        if let Self::Own(own, ..) = &self {
            own.idle().clear();
        }
    }
}

/// The connections, and what is said on them.
pub(crate) struct Connections {
    source: Source,
    protocol: Protocol,
    durability: Durability,
    statements: Statements,
}

impl Connections {
    pub(crate) fn new(
        source: Source,
        protocol: Protocol,
        durability: Durability,
        statements: Statements,
    ) -> Self {
        Self {
            source,
            protocol,
            durability,
            statements,
        }
    }

    pub(crate) fn durable(&self) -> bool {
        self.durability == Durability::Required
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
        let outcome = call.run(lease.get()).await;
        match &outcome {
            Err(failed) if is_lost(failed) => lease.give_up(),
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
