//! How a database is opened, and what is checked before it is used.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use omemo_storage::{ErrorKind, StorageError};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions, SqliteConnection, SqlitePool};
use tokio::time::sleep;

use crate::error::{error, is_busy, is_unopenable};
use crate::marks::Marks;
use crate::runtime::within;
use crate::{SqliteStorage, schema};

/// Before a database that others hold is set up again.
const PAUSE: Duration = Duration::from_millis(5);

/// How a database is opened. [`SqliteStorage::open`] does with the defaults.
///
/// Each connection is set up with these pragmas:
///
/// * `journal_mode = WAL`: readers and the writer do not wait for each other, and a commit waits for the disk once. A
///   rollback journal (`DELETE`, `TRUNCATE`, `PERSIST`) waits two or three times, and readers keep the writer out; `MEMORY` and
///   `OFF` lose the database in a crash. The price: the database cannot be on a network file system, and `-wal` and `-shm`
///   lie beside it, without which a copy of it lacks the last commits.
/// * `synchronous = FULL`: a commit is on the disk before it is answered, which is about half of what a small one takes.
///   `NORMAL` saves that, but a power failure takes the last commits back, and a ratchet that goes back uses its keys twice.
///   `EXTRA` adds nothing in WAL mode.
/// * `fullfsync = ON`, `checkpoint_fullfsync = ON`: the same on Apple's systems, where a plain sync leaves data in the
///   disk's cache. Commits take longer there; without, they would not survive a power failure. Elsewhere it means nothing.
/// * `secure_delete = ON`: what is deleted or replaced is overwritten with zeros in the database, so that old keys do
///   not stay in its free space. It costs pages written that would otherwise only be freed. Without it, forward secrecy would
///   end at the file; with `FAST` it does where zeros would cost a write. (The write-ahead log keeps old pages until it is reused.)
/// * `busy_timeout`: see [`SqliteOptions::busy_timeout`]. With none, a commit fails whenever another process writes.
///
/// And these are left as SQLite has them:
///
/// * `wal_autocheckpoint` at 1,000 pages: now and then a commit copies the log into the database, and takes longer. More pages make that
///   rarer and longer, the log larger, and old keys stay in it for longer.
/// * `locking_mode = NORMAL`: `EXCLUSIVE` would save the shared index of the log, and keep every other process out.
/// * `mmap_size` at 0: mapped, pages are read without a copy, but an error of the disk becomes a signal that kills the
///   process, and a stray write into memory could damage the database.
/// * `cache_size` at 2 MB a connection: the upper levels of the index stay there, the rest in the system's cache.
/// * `page_size` at 4,096 bytes, which is what disks write at once. Larger pages make each commit of a small record longer.
/// * `auto_vacuum = NONE`: free pages are used again. To shrink the file would cost writes with each delete.
/// * `temp_store`, `foreign_keys`, `trusted_schema`: nothing here uses temporary tables, foreign keys, or functions with
///   effects of their own.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    connect: SqliteConnectOptions,
    busy_timeout: Duration,
    connections: u32,
    durability: Durability,
    /// Whether the file is created where there is none.
    creates: bool,
    /// Whether an older copy is accepted.
    accepts_copy: bool,
    unmarked: bool,
}

/// Whether a database that may forget commits is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    Required,
    Waived,
}

impl Durability {
    const fn synchronous(self) -> &'static str {
        match self {
            Self::Required => "FULL",
            Self::Waived => "OFF",
        }
    }
}

impl SqliteOptions {
    /// The database at a path, or at a URL that begins with `sqlite:`. It is created where there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] if it begins like a URL and is none.
    pub fn new(location: impl AsRef<Path>) -> Result<Self, StorageError> {
        let location = location.as_ref();
        let mut creates = true;
        let connect = match location.to_str() {
            Some(url) if url.starts_with("sqlite:") => {
                // `mode=rwc` is what a path gets too; an explicit mode in the URL stands.
                let given = SqliteConnectOptions::from_str(url).map_err(error)?;
                let explicit = url.contains("mode=");
                if explicit {
                    creates = false;
                    given
                } else {
                    given.create_if_missing(true)
                }
            }
            _ => SqliteConnectOptions::new()
                .filename(location)
                .create_if_missing(true),
        };
        Ok(Self {
            connect,
            busy_timeout: Duration::from_secs(5),
            connections: 4,
            durability: Durability::Required,
            creates,
            accepts_copy: false,
            unmarked: false,
        })
    }

    /// How long a call waits for another connection's or process's write to end before it fails; 5 seconds unless told.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// The most connections that are open at a time, each with a thread of its own; 4 unless told. Writes go one after
    /// the other anyway; loads use the rest.
    #[must_use]
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// Accepts a database that may forget commits after a power failure, and does not wait for the disk then
    /// (`synchronous = OFF`). For tests and for data that is worth nothing: a ratchet that goes back uses its keys twice.
    #[must_use]
    pub fn allow_volatile(mut self) -> Self {
        self.durability = Durability::Waived;
        self
    }

    /// Opens a database that is a copy (moved, copied, or older content put back), which is [refused](ErrorKind::Copy)
    /// otherwise; from then on it is the one that was last in use.
    ///
    /// If it may be an old copy, or if a copy of it is still in use elsewhere, its sessions and pre keys must be dropped
    /// before anything else is done, which this does not do: `accept_copy` of the client's builder does, and both are needed
    /// then. Who goes on with them uses message keys twice, and cannot read what others have sent since.
    #[must_use]
    pub fn accept_copy(mut self) -> Self {
        self.accepts_copy = true;
        self
    }

    /// Opens a database without looking whether it is a copy, and without marking it: a copy stays
    /// [refused](ErrorKind::Copy). For who makes it fit for use before it is [accepted](Self::accept_copy).
    #[must_use]
    pub fn unmarked(mut self) -> Self {
        self.unmarked = true;
        self
    }

    /// Opens the database and brings its tables to this version.
    ///
    /// # Errors
    ///
    /// As [`SqliteStorage::open`].
    pub async fn open(self) -> Result<SqliteStorage, StorageError> {
        create_private(self.connect.get_filename(), self.creates);
        within(async move {
            let opened = self.open_in_place().await;
            opened.map_err(|failed| self.explain_place(failed))
        })
        .await
    }

    async fn open_in_place(&self) -> Result<SqliteStorage, StorageError> {
        let pool = self.pool();
        let mut connection = pool.acquire().await.map_err(error)?;
        let marks = self.set_up_patiently(&mut connection).await?;
        Ok(SqliteStorage::new(pool, Some(connection), marks))
    }

    /// SQLite says no more than that something cannot be opened, the database or one of the files beside it. What the system
    /// says of the path tells why, and most of that no waiting mends.
    fn explain_place(&self, failed: StorageError) -> StorageError {
        if !is_unopenable(&failed) {
            return failed;
        }
        let path = self.connect.get_filename();
        if path.to_str().is_some_and(|path| path.contains("://")) {
            // Not named: the URL of a server has a password.
            let message = "that is the URL of another storage than SQLite";
            return StorageError::new(ErrorKind::Misconfigured, message).with_source(failed);
        }
        let mut options = OpenOptions::new();
        let Err(why) = options.append(true).create(self.creates).open(path) else {
            return failed;
        };
        let path = path.display();
        let message = match why.kind() {
            io::ErrorKind::ReadOnlyFilesystem => format!("{path} is on a read-only file system"),
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::PermissionDenied => format!("{path} cannot be opened: {why}"),
            _ => return failed,
        };
        StorageError::new(ErrorKind::Misconfigured, message).with_source(failed)
    }

    /// Where two would wait for each other, as when both switch the journal mode of a new database, SQLite refuses one of
    /// them at once, whatever the time that it may wait.
    async fn set_up_patiently(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<Option<Marks>, StorageError> {
        let begun = Instant::now();
        loop {
            match self.set_up(connection).await {
                Err(failed) if is_busy(&failed) && begun.elapsed() < self.busy_timeout => sleep(PAUSE).await,
                ended => return ended,
            }
        }
    }

    async fn set_up(&self, connection: &mut SqliteConnection) -> Result<Option<Marks>, StorageError> {
        if let Err(failed) = self.make_ready(connection).await {
            return Err(schema::explain(failed, connection).await);
        }
        self.marks(connection).await
    }

    async fn make_ready(&self, connection: &mut SqliteConnection) -> Result<(), StorageError> {
        switch_to_wal(connection).await?;
        prepare(connection, self.durability).await
    }

    async fn marks(&self, connection: &mut SqliteConnection) -> Result<Option<Marks>, StorageError> {
        match self.durability {
            _ if self.unmarked => Ok(None),
            Durability::Required => Marks::open(connection, self.accepts_copy).await,
            // It may be older after each power failure.
            Durability::Waived => Ok(None),
        }
    }

    fn pool(&self) -> SqlitePool {
        let connect = self
            .connect
            .clone()
            .busy_timeout(self.busy_timeout)
            .pragma("synchronous", self.durability.synchronous())
            .pragma("fullfsync", "ON")
            .pragma("checkpoint_fullfsync", "ON")
            .pragma("secure_delete", "ON")
            .disable_statement_logging();
        SqlitePoolOptions::new()
            .max_connections(self.connections)
            .test_before_acquire(false)
            .max_lifetime(None)
            .connect_lazy_with(connect)
    }
}

/// A new database is for its owner's eyes alone: it holds keys. SQLite gives the files beside it the same mode. One that
/// exists keeps the mode it has, and a place where none can be created is SQLite's to complain about.
#[cfg(unix)]
fn create_private(file: &Path, create: bool) {
    use std::os::unix::fs::OpenOptionsExt;
    let in_memory = file
        .to_str()
        .is_some_and(|name| name == ":memory:" || name.starts_with("file:"));
    if create && !in_memory {
        let _ = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file);
    }
}

#[cfg(not(unix))]
fn create_private(_: &Path, _: bool) {}

/// Checks what the contract needs of the database, and brings its tables to this version.
pub(crate) async fn prepare(
    connection: &mut SqliteConnection,
    durability: Durability,
) -> Result<(), StorageError> {
    if durability == Durability::Required {
        require_durability(connection).await?;
    }
    require_utf_8(connection).await?;
    schema::migrate(connection).await
}

async fn require_durability(connection: &mut SqliteConnection) -> Result<(), StorageError> {
    let journal = journal_mode(connection).await?;
    if journal != "wal" {
        return Err(volatile(format!(
            "commits would not be durable: journal_mode is {journal}, not wal"
        )));
    }
    const FULL: i64 = 2;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous")
        .fetch_one(connection)
        .await
        .map_err(error)?;
    if synchronous < FULL {
        return Err(volatile(format!(
            "commits would not be durable: synchronous is {synchronous}, less than {FULL} (FULL)"
        )));
    }
    Ok(())
}

/// Records are loaded as the bytes they were joined from, which only this encoding leaves as they are.
async fn require_utf_8(connection: &mut SqliteConnection) -> Result<(), StorageError> {
    let encoding: String = sqlx::query_scalar("PRAGMA encoding")
        .fetch_one(connection)
        .await
        .map_err(error)?;
    if encoding == "UTF-8" {
        return Ok(());
    }
    let message = format!("the database's encoding is {encoding}, not UTF-8");
    Err(StorageError::new(ErrorKind::Misconfigured, message))
}

fn volatile(message: String) -> StorageError {
    StorageError::new(ErrorKind::Misconfigured, message)
}

/// The journal mode stays with the file, so one connection switches for all. The switch needs the file to itself, and
/// waits for others as a write does.
async fn switch_to_wal(connection: &mut SqliteConnection) -> Result<(), StorageError> {
    if journal_mode(connection).await? == "delete" {
        sqlx::query("PRAGMA journal_mode = WAL")
            .execute(connection)
            .await
            .map_err(error)?;
    }
    Ok(())
}

async fn journal_mode(connection: &mut SqliteConnection) -> Result<String, StorageError> {
    sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(connection)
        .await
        .map_err(error)
}
