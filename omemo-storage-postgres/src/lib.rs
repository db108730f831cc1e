//! OMEMO state in PostgreSQL 13 or newer: many accounts, many writers.
//!
//! Any number of processes on any number of machines may use one database at the same time. Everything in it is named
//! `omemo_*`, so it can live in a database the application has anyway; names in it are text for people to read, values
//! are bytes.
//!
//! ```no_run
//! use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Storage, Value};
//! use omemo_storage_postgres::PostgresStorage;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let storage = PostgresStorage::open("postgres://omemo@localhost/omemo").await?;
//! let account = AccountId::new("romeo@montague.lit")?;
//! let mut batch = Batch::new(CommitId::from_bytes([7; 16]));
//! batch.put(Key::new("contact/juliet@capulet.lit", "contact")?, None, Value::from(b"opaque".to_vec()));
//! assert_eq!(storage.commit(&account, &batch).await?, Committed::Applied);
//! # Ok(())
//! # }
//! ```
//!
//! # Calls
//!
//! Each call is one statement and one round trip, which commits by itself: a call of a function in the database. So a
//! future that is dropped leaves all of a batch or none of it, and never an open transaction. The first call of its
//! kind on a connection takes a round trip more, to prepare the statement. On an application's pool, sqlx asks for a
//! sign of life when a connection goes back; nobody waits for that. Somebody may have given one back within a transaction,
//! knowingly or by dropping a call of sqlx while it begins one: there a commit fails with
//! [`Unavailable`](omemo_storage::ErrorKind::Unavailable), and the connection is closed.
//!
//! Connections of the storage's own are set up for its calls (`plan_cache_mode = force_generic_plan`, `enable_seqscan` and
//! `jit` off); the application's statements in a shared transaction run without that. A commit uses two transaction ids.
//!
//! Together, the names and values of a batch may have just under a gigabyte.
//!
//! Commits of one account run one after the other: each takes a lock of its account first, `pg_advisory_xact_lock` with
//! a 64-bit hash of the account and the schema, which belongs to the transaction. Accounts do not wait for each other.
//!
//! # Roles
//!
//! The role that opens a new database needs `CREATE` in the schema. Later, and when the schema is up to date, a role
//! with less will do:
//!
//! ```sql
//! GRANT USAGE ON SCHEMA omemo TO app;
//! GRANT SELECT ON omemo.omemo_schema TO app;
//! GRANT SELECT, INSERT, UPDATE, DELETE ON omemo.omemo_record, omemo.omemo_commit TO app;
//! GRANT EXECUTE ON FUNCTION omemo.omemo_accounts TO app;   -- to list accounts, if it may
//! ```
//!
//! # Executors
//!
//! The futures run on any executor: what they need of tokio they find in a runtime of this crate, with one thread, which
//! starts with the first call and ends with the process. A thread in [`wait`](omemo_storage::blocking::wait) does that
//! thread's work itself. Values are wiped neither from sqlx's buffers nor from the
//! server's.

mod admin;
mod call;
mod commit;
mod connections;
mod error;
mod literal;
mod load;
mod options;
mod runtime;
mod schema;
mod stored;
mod transactional;

use std::fmt;
use std::sync::Arc;

use omemo_storage::{
    AccountId, Batch, Committed, Cursor, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};
use sqlx::{PgConnection, PgPool};

use crate::connections::Connections;
use crate::runtime::within;

pub use crate::options::PostgresOptions;
/// The version that the transactions of an application and of the storage are of.
pub use sqlx;

/// A storage in a PostgreSQL database. Cloning shares its connections.
#[derive(Clone)]
pub struct PostgresStorage {
    connections: Arc<Connections>,
}

impl PostgresStorage {
    /// Opens the database at a URL that begins with `postgres:`, and creates the tables where there are none. See
    /// [`PostgresOptions`] for more choices.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the server cannot be reached or does not let the role in, has settings that keep commits from
    /// being durable or serializable, or if the tables were written by a newer version.
    pub async fn open(url: &str) -> Result<Self, StorageError> {
        PostgresOptions::new(url)?.open().await
    }

    /// Uses the application's own connections; [`PostgresOptions::from_pool`] has more choices.
    ///
    /// # Errors
    ///
    /// As [`PostgresStorage::open`].
    pub async fn from_pool(pool: PgPool) -> Result<Self, StorageError> {
        PostgresOptions::from_pool(pool).open().await
    }

    fn new(connections: Connections) -> Self {
        let connections = Arc::new(connections);
        Self { connections }
    }

    /// Commits a batch within a transaction of the caller, so that the caller's own writes and the batch take effect
    /// together or not at all. `transaction` must be on the same database, at the isolation level read committed; on a
    /// connection that is in no transaction, the batch is committed by itself.
    ///
    /// The account stays locked, and `omemo.account` set, until the transaction ends: keep it short, and if one
    /// transaction commits for several accounts, do so in order of their names everywhere, or two may wait for each
    /// other (one then ends with a conflict). The batch is durable when the transaction has been committed, and its id
    /// is remembered from then on: when the answer to that is lost, the whole transaction may be made again, and the
    /// batch is applied once. It is for the caller to see whether his own writes took effect.
    ///
    /// On a conflict nothing of the batch was written. Roll the transaction back, since all it did rested on what
    /// has changed; after a deadlock or a race, PostgreSQL refuses anything else. Roll it back after an error too.
    ///
    /// # Errors
    ///
    /// As [`Storage::commit`]; [`Misconfigured`](omemo_storage::ErrorKind::Misconfigured) in a transaction of another
    /// isolation level.
    pub async fn commit_in(
        &self,
        transaction: &mut PgConnection,
        account: &AccountId,
        batch: &Batch,
    ) -> Result<Committed, StorageError> {
        batch.check()?;
        within(commit::commit_in(&self.connections, transaction, account, batch)).await
    }

    /// Closes all connections, and waits until the calls under way have ended. Later calls fail, also those of clones.
    /// An application's own pool is closed too.
    pub async fn close(&self) {
        // Closing has no errors of its own; the runtime runs, or there would be nothing to close.
        let _ = within(async {
            self.connections.close().await;
            Ok(())
        })
        .await;
    }
}

impl fmt::Debug for PostgresStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresStorage")
    }
}

impl Storage for PostgresStorage {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        within(load::load(&self.connections, account, query)).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        batch.check()?;
        within(commit::commit(&self.connections, account, batch)).await
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        within(admin::accounts(&self.connections, after, limit)).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        within(admin::records(&self.connections, account, after, limit)).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        within(admin::purge(&self.connections, account)).await
    }
}
