//! Who uses which connection.
//!
//! A pool takes its time to lend a connection and more to take it back, so one is held here between calls. The next
//! call finds it with its thread awake and the pages in its cache; only calls at the same time go to the pool.

use std::sync::{Mutex, MutexGuard, PoisonError};

use omemo_storage::StorageError;
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, SqlitePool};

use crate::error::error;
use crate::{marks, runtime};

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
    One(Mutex<Slot>),
}

struct Slot {
    resting: Option<PoolConnection<Sqlite>>,
    /// How many have found nothing here and wait for the pool.
    waiting: usize,
}

impl Held {
    fn slot(&self) -> Option<MutexGuard<'_, Slot>> {
        match self {
            Self::Never => None,
            Self::One(slot) => Some(slot.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// The connection that rests here, or a place in the queue of those who wait for the pool.
    fn take(&self) -> Result<PoolConnection<Sqlite>, Waiting<'_>> {
        let Some(mut slot) = self.slot() else {
            return Err(Waiting(self));
        };
        slot.resting.take().ok_or_else(|| {
            slot.waiting += 1;
            Waiting(self)
        })
    }

    fn empty(&self) -> Option<PoolConnection<Sqlite>> {
        self.slot().and_then(|mut slot| slot.resting.take())
    }
}

/// Somebody who waits for the pool: what is given back meanwhile must go there.
struct Waiting<'a>(&'a Held);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(mut slot) = self.0.slot() {
            slot.waiting = slot.waiting.saturating_sub(1);
        }
    }
}

impl Connections {
    /// Holds a connection between calls if one is given.
    pub(crate) fn new(pool: SqlitePool, held: Option<PoolConnection<Sqlite>>) -> Self {
        let held = match held {
            Some(connection) => Held::One(Mutex::new(Slot {
                resting: Some(connection),
                waiting: 0,
            })),
            None => Held::Never,
        };
        Self {
            pool,
            held,
            writers: tokio::sync::Mutex::new(()),
        }
    }

    /// Whether they are the application's, which uses them too.
    pub(crate) fn are_borrowed(&self) -> bool {
        matches!(self.held, Held::Never)
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
            Ok(connection) => connection,
            Err(_waiting) => self.pool.acquire().await.map_err(error)?,
        };
        Ok(Lease {
            connection,
            connections: self,
            _turn: turn,
        })
    }

    pub(crate) async fn close(&self) {
        // From here on what is given back goes to the pool, which waits for it.
        let closed = self.pool.close();
        drop(self.held.empty());
        closed.await;
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        // Handing a connection back to the pool needs a runtime.
        let _entered = runtime::enter().ok();
        drop(self.held.empty());
    }
}

/// A connection in use. Dropped before its call has ended, it goes to the pool, which makes sure of its state.
pub(crate) struct Lease<'a> {
    connection: PoolConnection<Sqlite>,
    connections: &'a Connections,
    _turn: Option<tokio::sync::MutexGuard<'a, ()>>,
}

impl Lease<'_> {
    pub(crate) fn get(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Ends the lease, and with it the connection, of which nobody knows the state; unless the database lives in it.
    pub(crate) async fn discard(mut self) {
        if let Ok(Some(_)) = marks::file_of(&mut self.connection).await {
            // It is not used again, however that ends.
            let _ = self.connection.close().await;
        }
    }

    /// Ends the lease after a call that went to its end.
    pub(crate) fn give_back(self) {
        let Connections { pool, held, .. } = self.connections;
        if let Some(mut slot) = held.slot()
            && slot.resting.is_none()
            && slot.waiting == 0
            && !pool.is_closed()
        {
            slot.resting = Some(self.connection);
        }
    }
}
