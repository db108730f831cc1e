//! OMEMO state in SQLite, the embedded default.
//!
//! One file serves any number of accounts, and several processes may have it open at the same time. The tables are
//! named `omemo_*`, so they can live in a database the application has anyway; names in them are text for people to
//! read, values are bytes.
//!
//! ```
//! use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Storage, Value};
//! use omemo_storage_sqlite::SqliteStorage;
//!
//! # omemo_storage::blocking::wait(async {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("omemo.db");
//! let storage = SqliteStorage::open(path).await?;
//! let account = AccountId::new("romeo@montague.lit")?;
//! let mut batch = Batch::new(CommitId::from_bytes([7; 16]));
//! batch.put(Key::new("contact/juliet@capulet.lit", "contact")?, None, Value::from(b"opaque".to_vec()));
//! assert_eq!(storage.commit(&account, &batch).await?, Committed::Applied);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Each call is one statement that commits by itself. So a future that is dropped leaves all of a batch or none of it,
//! and never an open transaction.
//!
//! The futures run on any executor: what they need of tokio they find in a runtime of this crate, with one thread, which
//! starts with the first call and ends with the process.
//!
//! # Copies
//!
//! A database that goes back in time is the classic way to lose sessions: keys are used twice, and what others sent
//! since cannot be read. So a random mark is put into the database whenever it is opened and with one commit in sixteen, and
//! noted in a file beside it, `omemo.db-mark`, together with its inode and the time it was made. It is not opened, with an
//! error of the kind [`Copy`](omemo_storage::ErrorKind::Copy), where
//!
//! * the file beside it is missing: the database was copied, or put back elsewhere;
//! * the file is that of another database: it was copied or put back along with its file, or put in place of the original;
//! * the file is not at home where it is, being made anew whenever the database is opened: both were written over with
//!   former ones;
//! * it lacks the mark in the file: older content was put into the same file, as SQLite's own backup does.
//!
//! [`SqliteOptions::accept_copy`] opens it all the same; `omemo accept-copy` makes its accounts fit for use before. Moved within a file system together with its `-mark`, it stays
//! what it was.
//!
//! This is not noticed:
//!
//! * a whole file system, virtual machine or disk image that goes back: all is as it was then;
//! * older content put into the same file if the database was not opened since, and no commit since was a mark:
//!   likely after a few commits, one time in 600 after a hundred; or along with a former `-mark` into that, whatever was
//!   committed, if the database was not opened since;
//! * a copy of the file alone, without its log (`-wal`), from before the log was folded into it for the first time: it lacks
//!   even the accounts, and looks new;
//! * a copy where the file system tells neither inodes nor the times when files were made, or where a tool restores both;
//! * anything at all on an application's own pool, in memory, and with [`SqliteOptions::allow_volatile`].
//!
//! The other way around, a file system whose inodes change whenever it is mounted makes a database look like a copy. (SQLite's
//! log cannot be on a network file system anyway.) Backups may be made while clients run, by SQLite's backup or `VACUUM INTO`:
//! what matters is what is dropped after they were put back.
//!
//! # Bounds
//!
//! A batch is handed to SQLite in one piece, so together its values may have just under a gigabyte. Values are wiped
//! neither from sqlx's buffers nor from SQLite's cache.

mod admin;
mod alone;
mod commit;
mod error;
mod framed;
mod jsonb;
mod lease;
mod load;
mod mark_file;
mod marks;
mod options;
mod runtime;
mod schema;
mod transactional;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use omemo_storage::{
    AccountId, Batch, Committed, Cursor, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool};

use crate::error::error;
use crate::lease::Connections;
use crate::marks::Marks;
use crate::options::{Durability, prepare};
use crate::runtime::within;

pub use crate::options::SqliteOptions;
/// The version that the transactions of an application and of the storage are of.
pub use sqlx;

/// A storage in an SQLite database. Cloning shares its connections.
#[derive(Clone)]
pub struct SqliteStorage {
    connections: Arc<Connections>,
    /// Nothing for a database that is not watched.
    marks: Option<Arc<Marks>>,
}

impl SqliteStorage {
    /// Opens the database at a path, or at a URL that begins with `sqlite:`; creates it where there is none. See
    /// [`SqliteOptions`] for more choices.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the file cannot be opened, is not a database, is locked for too long, was written by a newer
    /// version, has settings that keep commits from being durable, or [is not what was last in use](crate#copies). Where
    /// tables are made, brought to this version, or a mark is to be written: if the disk is full
    /// ([`Full`](omemo_storage::ErrorKind::Full)), or the database or its directory is read-only
    /// ([`Misconfigured`](omemo_storage::ErrorKind::Misconfigured)).
    pub async fn open(location: impl AsRef<Path>) -> Result<Self, StorageError> {
        SqliteOptions::new(location)?.open().await
    }

    /// Uses the application's own connections. They must have `journal_mode` WAL and `synchronous` FULL, which is checked
    /// on one of them, and the database the encoding UTF-8, which is SQLite's default; [`SqliteOptions`] tells what else is
    /// worth setting. Whether the database is an older copy is for the application to know. Each write has a transaction of
    /// its own there, which takes a little longer; it is refused as [`Misconfigured`](omemo_storage::ErrorKind::Misconfigured)
    /// on a connection on which somebody has left a transaction open.
    ///
    /// # Errors
    ///
    /// As [`SqliteStorage::open`].
    pub async fn from_pool(pool: SqlitePool) -> Result<Self, StorageError> {
        Self::adopt(pool, Durability::Required).await
    }

    /// The same, for connections that may forget commits; see [`SqliteOptions::allow_volatile`].
    ///
    /// # Errors
    ///
    /// As [`SqliteStorage::open`].
    pub async fn from_volatile_pool(pool: SqlitePool) -> Result<Self, StorageError> {
        Self::adopt(pool, Durability::Waived).await
    }

    async fn adopt(pool: SqlitePool, durability: Durability) -> Result<Self, StorageError> {
        within(async move {
            let mut connection = pool.acquire().await.map_err(error)?;
            prepare(&mut connection, durability).await?;
            drop(connection);
            Ok(Self::new(pool, None, None))
        })
        .await
    }

    fn new(pool: SqlitePool, held: Option<PoolConnection<Sqlite>>, marks: Option<Marks>) -> Self {
        Self {
            connections: Arc::new(Connections::new(pool, held)),
            marks: marks.map(Arc::new),
        }
    }

    /// Notes that a batch was applied.
    fn note(&self, batch: &Batch, committed: &Result<Committed, StorageError>) {
        if let (Some(marks), Ok(Committed::Applied)) = (&self.marks, committed) {
            marks.applied(batch.id());
        }
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

impl fmt::Debug for SqliteStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteStorage")
    }
}

impl Storage for SqliteStorage {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        within(async {
            let mut connection = self.connections.to_read().await?;
            let snapshot = load::load(connection.get(), account, query).await;
            connection.give_back();
            snapshot
        })
        .await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        batch.check()?;
        within(async {
            let mut connection = self.connections.to_write().await?;
            let committed = if self.connections.are_borrowed() {
                alone::commit(connection.get(), account, batch).await
            } else {
                commit::commit(connection.get(), account, batch).await
            };
            connection.give_back();
            self.note(batch, &committed);
            committed
        })
        .await
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        within(async {
            let mut connection = self.connections.to_read().await?;
            admin::accounts(connection.get(), after, limit).await
        })
        .await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        within(async {
            let mut connection = self.connections.to_read().await?;
            admin::records(connection.get(), account, after, limit).await
        })
        .await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        within(async {
            let mut connection = self.connections.to_write().await?;
            if self.connections.are_borrowed() {
                alone::purge(connection.get(), account).await
            } else {
                admin::purge(connection.get(), account).await
            }
        })
        .await
    }
}
