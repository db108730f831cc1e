//! The barest statement that writes rows as durably: one upsert of them all, prepared, on a connection that is held.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use omemo_storage::blocking::wait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions};

use super::sender::Row;
use crate::measure::Failure;

const ACCOUNT: &str = "romeo@montague.lit";

/// SQLite takes at most 32,766 parameters, and a row has five.
const CHUNK: usize = 1_000;

const TABLE: &str = "CREATE TABLE record (account TEXT NOT NULL, partition TEXT NOT NULL, item TEXT NOT NULL, \
    revision BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (account, partition, item))";

pub(crate) struct Upsert {
    connection: SqliteConnection,
    rows: Vec<Row>,
    statement: Arc<str>,
    /// SQLite does not write a row that stays the same, so each round writes other bytes.
    round: u32,
}

impl Upsert {
    /// Upserts `rows`, in a file that holds what ours holds.
    pub(crate) fn open(path: &Path, all: &[Row], rows: Vec<Row>) -> Result<Self, Failure> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let mut connection = wait(options.connect())?;
        wait(sqlx::query(TABLE).execute(&mut connection))?;
        let mut upsert = Self {
            connection,
            statement: statement(rows.len()),
            rows,
            round: 0,
        };
        for chunk in all.chunks(CHUNK) {
            upsert.write(chunk, &statement(chunk.len()))?;
        }
        Ok(upsert)
    }

    pub(crate) fn measure(&mut self) -> Result<f64, Failure> {
        let (rows, statement) = (std::mem::take(&mut self.rows), Arc::clone(&self.statement));
        let ns = self.write(&rows, &statement);
        self.rows = rows;
        ns
    }

    /// The values are made off the clock.
    fn write(&mut self, rows: &[Row], statement: &Arc<str>) -> Result<f64, Failure> {
        self.round += 1;
        let revision = u128::from(self.round).to_be_bytes();
        let value = |length: usize| self.round.to_be_bytes().into_iter().cycle().take(length);
        let values: Vec<Vec<u8>> = rows.iter().map(|(_, length)| value(*length).collect()).collect();

        let begun = Instant::now();
        let mut query = sqlx::query(AssertSqlSafe(Arc::clone(statement)));
        for ((key, _), value) in rows.iter().zip(&values) {
            query = query
                .bind(ACCOUNT)
                .bind(key.partition.as_str())
                .bind(key.item.as_str())
                .bind(revision.as_slice())
                .bind(value.as_slice());
        }
        wait(query.execute(&mut self.connection))?;
        Ok(begun.elapsed().as_secs_f64() * 1e9)
    }
}

fn statement(rows: usize) -> Arc<str> {
    let values = vec!["(?,?,?,?,?)"; rows].join(",");
    format!(
        "INSERT INTO record VALUES {values} \
         ON CONFLICT DO UPDATE SET revision = excluded.revision, value = excluded.value"
    )
    .into()
}
