//! A PostgreSQL server that is there already, and a schema of our own in it.

use std::str::FromStr;

use omemo_storage::blocking::wait;
use omemo_storage_postgres::{PostgresOptions, PostgresStorage};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::{random, runtime};
use crate::measure::Failure;

/// A schema, dropped at the end with all that is in it.
pub(crate) struct Postgres {
    schema: String,
}

impl Postgres {
    /// A schema that is not in use.
    pub(crate) fn new() -> Result<Self, Failure> {
        let unknown = |failure: Failure| -> Failure {
            format!(
                "no PostgreSQL server can be used ({failure}): start one, and set OMEMO_TEST_POSTGRES to the URL of a \
                 superuser, such as postgres://postgres@127.0.0.1:5432/postgres"
            )
            .into()
        };
        let schema = format!("omemo_bench_{:016x}", u64::from_be_bytes(random()?));
        execute(format!("CREATE SCHEMA {schema}")).map_err(unknown)?;
        Ok(Self { schema })
    }

    /// A storage in it.
    pub(crate) fn open(&self) -> Result<PostgresStorage, Failure> {
        let options = PostgresOptions::new(&url())?.schema(&self.schema);
        Ok(wait(options.open())?)
    }

    /// A connection, to be used within `runtime` alone.
    pub(crate) fn connect(&self, runtime: &tokio::runtime::Runtime) -> Result<PgConnection, Failure> {
        connect(runtime)
    }

    /// A statement in which `$.` stands for the schema.
    pub(crate) fn statement(&self, statement: &str) -> String {
        statement.replace("$.", &format!("{}.", self.schema))
    }

    pub(crate) fn execute(&self, statement: &str) -> Result<(), Failure> {
        execute(self.statement(statement))
    }

    /// What a statement that asks for one number answers.
    pub(crate) fn number(&self, statement: &str) -> Result<i64, Failure> {
        let runtime = runtime()?;
        let mut connection = self.connect(&runtime)?;
        let statement = AssertSqlSafe(self.statement(statement));
        let number = runtime.block_on(sqlx::query_scalar(statement).fetch_one(&mut connection))?;
        runtime.block_on(connection.close())?;
        Ok(number)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let dropped = execute(format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema));
        if let Err(failure) = dropped {
            eprintln!(
                "omemo-bench: the schema {} could not be dropped: {failure}",
                self.schema
            );
        }
    }
}

fn connect(runtime: &tokio::runtime::Runtime) -> Result<PgConnection, Failure> {
    let options = PgConnectOptions::from_str(&url())?.disable_statement_logging();
    Ok(runtime.block_on(options.connect())?)
}

fn execute(statement: String) -> Result<(), Failure> {
    let runtime = runtime()?;
    let mut connection = connect(&runtime)?;
    runtime.block_on(sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection))?;
    runtime.block_on(connection.close())?;
    Ok(())
}

/// The same server as the tests of the storage use.
fn url() -> String {
    std::env::var("OMEMO_TEST_POSTGRES")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned())
}
