//! One upsert of all rows, prepared, on a connection to SQLite that is held.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use omemo_storage::Key;
use omemo_storage::blocking::wait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions};

use super::{ACCOUNT, Bare};
use crate::measure::Failure;

const TABLE: &str = "CREATE TABLE record (account TEXT NOT NULL, partition TEXT NOT NULL, item TEXT NOT NULL, \
    revision BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (account, partition, item))";

pub(crate) struct SqliteUpsert {
    connection: SqliteConnection,
    /// By the number of rows. SQLite takes at most 32,766 parameters, and a row has five.
    statements: BTreeMap<usize, Arc<str>>,
}

impl SqliteUpsert {
    /// In a file of its own.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let mut connection = wait(options.connect())?;
        wait(sqlx::query(TABLE).execute(&mut connection))?;
        Ok(Self {
            connection,
            statements: BTreeMap::new(),
        })
    }
}

impl Bare for SqliteUpsert {
    fn write(&mut self, keys: &[&Key], values: &[&[u8]], revision: &[u8; 16]) -> Result<f64, Failure> {
        let statement = self.statements.entry(keys.len());
        let statement = Arc::clone(statement.or_insert_with(|| upsert(keys.len())));

        let begun = Instant::now();
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for (key, value) in keys.iter().zip(values) {
            query = query
                .bind(ACCOUNT)
                .bind(key.partition.as_str())
                .bind(key.item.as_str())
                .bind(revision.as_slice())
                .bind(*value);
        }
        wait(query.execute(&mut self.connection))?;
        Ok(begun.elapsed().as_secs_f64() * 1e9)
    }
}

fn upsert(rows: usize) -> Arc<str> {
    let values = vec!["(?,?,?,?,?)"; rows].join(",");
    format!(
        "INSERT INTO record VALUES {values} \
         ON CONFLICT DO UPDATE SET revision = excluded.revision, value = excluded.value"
    )
    .into()
}
