//! Who uses which connection.
//!
//! A pool takes its time to lend a connection and more to take it back, so one is held here between calls. The next
//! call finds it with its thread awake and the pages in its cache; only calls at the same time go to the pool.

use std::sync::{Mutex, MutexGuard, PoisonError};

use omemo_storage::StorageError;
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, SqlitePool};

use crate::error::error;
use crate::runtime;

pub(crate) struct Connections {
    pool: SqlitePool,
    held: Held,
    /// SQLite has one writer at a time and lets others try again and again; here they queue.
    writers: tokio::sync::Mutex<()>,
}

/// Where a connection rests between calls.
enum Held {
    /// In the pool, which is the application's.
    Never,
    /// Here, unless it is in use.
    One(Mutex<Option<PoolConnection<Sqlite>>>),
}

impl Held {
    fn slot(&self) -> Option<MutexGuard<'_, Option<PoolConnection<Sqlite>>>> {
        match self {
            Self::Never => None,
            Self::One(slot) => Some(slot.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn take(&self) -> Option<PoolConnection<Sqlite>> {
        self.slot().and_then(|mut slot| slot.take())
    }
}

impl Connections {
    /// Holds a connection between calls if one is given.
    pub(crate) fn new(pool: SqlitePool, held: Option<PoolConnection<Sqlite>>) -> Self {
        let held = match held {
            Some(connection) => Held::One(Mutex::new(Some(connection))),
            None => Held::Never,
        };
        Self {
            pool,
            held,
            writers: tokio::sync::Mutex::new(()),
        }
    }

    pub(crate) async fn to_read(&self) -> Result<Lease<'_>, StorageError> {
        self.lease(None).await
    }

    pub(crate) async fn to_write(&self) -> Result<Lease<'_>, StorageError> {
        let turn = self.writers.lock().await;
        self.lease(Some(turn)).await
    }

    async fn lease<'a>(
        &'a self,
        turn: Option<tokio::sync::MutexGuard<'a, ()>>,
    ) -> Result<Lease<'a>, StorageError> {
        let connection = match self.held.take() {
            Some(connection) => connection,
            None => self.pool.acquire().await.map_err(error)?,
        };
        Ok(Lease {
            connection,
            held: &self.held,
            _turn: turn,
        })
    }

    pub(crate) async fn close(&self) {
        drop(self.held.take());
        self.pool.close().await;
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        // Handing a connection back to the pool needs a runtime.
        let _entered = runtime::enter().ok();
        drop(self.held.take());
    }
}

/// A connection in use. Dropped before its call has ended, it goes to the pool, which makes sure of its state.
pub(crate) struct Lease<'a> {
    connection: PoolConnection<Sqlite>,
    held: &'a Held,
    _turn: Option<tokio::sync::MutexGuard<'a, ()>>,
}

impl Lease<'_> {
    pub(crate) fn get(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Ends the lease after a call that went to its end.
    pub(crate) fn give_back(self) {
        if let Some(mut slot) = self.held.slot()
            && slot.is_none()
        {
            *slot = Some(self.connection);
        }
    }
}
