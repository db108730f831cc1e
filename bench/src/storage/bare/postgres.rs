//! One upsert of all rows from lists, prepared, on a connection to PostgreSQL that is held.

use std::sync::Arc;
use std::time::Instant;

use omemo_storage::Key;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::runtime::Runtime;

use super::{ACCOUNT, Bare};
use crate::measure::Failure;
use crate::servers::{Postgres, runtime};

const COLUMNS: &str = "(account text NOT NULL, partition text NOT NULL, item text NOT NULL, revision bytea NOT NULL, \
    value bytea NOT NULL, PRIMARY KEY (account, partition, item))";

pub(crate) struct PostgresUpsert {
    connection: PgConnection,
    runtime: Runtime,
    statement: Arc<str>,
    table: String,
}

impl PostgresUpsert {
    /// In a table of its own, of that name.
    pub(crate) fn open(postgres: &Postgres, table: &str) -> Result<Self, Failure> {
        postgres.execute(&format!("CREATE TABLE $.{table} {COLUMNS}"))?;
        let runtime = runtime()?;
        let table = postgres.statement(&format!("$.{table}"));
        let statement = format!(
            "INSERT INTO {table} SELECT $1, partition, item, $2, value \
             FROM unnest($3::text[], $4::text[], $5::bytea[]) AS row (partition, item, value) \
             ON CONFLICT (account, partition, item) \
             DO UPDATE SET revision = excluded.revision, value = excluded.value"
        );
        Ok(Self {
            connection: postgres.connect(&runtime)?,
            runtime,
            statement: statement.into(),
            table,
        })
    }
}

impl Bare for PostgresUpsert {
    fn write(&mut self, keys: &[&Key], values: &[&[u8]], revision: &[u8; 16]) -> Result<f64, Failure> {
        let begun = Instant::now();
        let partitions: Vec<&str> = keys.iter().map(|key| key.partition.as_str()).collect();
        let items: Vec<&str> = keys.iter().map(|key| key.item.as_str()).collect();
        let query = sqlx::query(AssertSqlSafe(Arc::clone(&self.statement)))
            .bind(ACCOUNT)
            .bind(revision.as_slice())
            .bind(partitions)
            .bind(items)
            .bind(values);
        self.runtime.block_on(query.execute(&mut self.connection))?;
        Ok(begun.elapsed().as_secs_f64() * 1e9)
    }

    fn settle(&mut self) -> Result<(), Failure> {
        let vacuum = AssertSqlSafe(format!("VACUUM ANALYZE {}", self.table));
        self.runtime
            .block_on(sqlx::raw_sql(vacuum).execute(&mut self.connection))?;
        Ok(())
    }
}
