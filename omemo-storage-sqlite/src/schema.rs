//! The tables, and how they come to be: numbered migrations, each in a transaction of its own.

use omemo_storage::{ErrorKind, StorageError};
use sqlx::{Connection, SqliteConnection};

use crate::error::{error, is_read_only, is_refused_as_read_only};

/// The migration at place 0 leads to version 1.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_records.sql"),
    include_str!("../migrations/0002_marks.sql"),
    include_str!("../migrations/0003_fewer_searches.sql"),
    include_str!("../migrations/0004_framed_values.sql"),
];

/// Brings the schema to the newest version. Whoever holds the write lock migrates; others wait for it, and find the
/// work done.
pub(crate) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StorageError> {
    let mut has_migrated = false;
    while pending(connection).await?.is_some() {
        has_migrated = true;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(error)?;
        let Some((script, version)) = pending(&mut transaction).await? else {
            continue;
        };
        sqlx::raw_sql(script)
            .execute(&mut *transaction)
            .await
            .map_err(|failed| error_of_migration(failed, version))?;
        sqlx::query("INSERT INTO omemo_schema (version) VALUES (?)")
            .bind(version)
            .execute(&mut *transaction)
            .await
            .map_err(error)?;
        transaction.commit().await.map_err(error)?;
    }
    if has_migrated {
        // What was copied stays in the log until it is cut off, secrets that are replaced later too. While others read, that
        // cannot be done; then SQLite removes the log when the last of all closes the database.
        let _ = sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(connection)
            .await;
    }
    Ok(())
}

fn error_of_migration(failed: sqlx::Error, version: i64) -> StorageError {
    if version > 1 && is_read_only(&failed) {
        let message =
            "the database is read-only, and of an earlier version: open it once where it may be written";
        return StorageError::new(ErrorKind::Misconfigured, message).with_source(failed);
    }
    error(failed)
}

/// Says so where a read-only database lacks the tables: then there is nothing to be read, and nothing wrong with it otherwise.
pub(crate) async fn explain(failed: StorageError, connection: &mut SqliteConnection) -> StorageError {
    if is_refused_as_read_only(&failed) && matches!(version(connection).await, Ok(0)) {
        let message = "the database is read-only, and holds no OMEMO state";
        return StorageError::new(ErrorKind::Misconfigured, message).with_source(failed);
    }
    failed
}

/// The next migration and the version it leads to.
async fn pending(connection: &mut SqliteConnection) -> Result<Option<(&'static str, i64)>, StorageError> {
    let version = version(connection).await?;
    let newest = MIGRATIONS.len() as i64;
    if version > newest {
        let message = format!(
            "the database was written by a newer version: its schema is version {version}, known are those up to {newest}"
        );
        return Err(StorageError::new(ErrorKind::UnsupportedVersion, message));
    }
    let next = usize::try_from(version)
        .ok()
        .and_then(|next| MIGRATIONS.get(next));
    Ok(next.map(|script| (*script, version + 1)))
}

/// 0 before the first migration.
async fn version(connection: &mut SqliteConnection) -> Result<i64, StorageError> {
    let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM sqlite_schema WHERE name = 'omemo_schema'")
        .fetch_optional(&mut *connection)
        .await
        .map_err(error)?;
    if known.is_none() {
        return Ok(0);
    }
    let version: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM omemo_schema")
        .fetch_one(connection)
        .await
        .map_err(error)?;
    Ok(version.unwrap_or(0))
}
