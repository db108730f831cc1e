//! What the tests of this crate share.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

pub(crate) mod pooler;
pub(crate) mod proxy;
pub(crate) mod server;

use std::hash::{BuildHasher, RandomState};
use std::thread;

use omemo_storage::{
    AccountId, Batch, CommitId, Committed, Key, Query, Revision, Storage, StorageError, Value,
};
use omemo_storage_postgres::{PostgresOptions, PostgresStorage};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};

/// The server that tests use, as a superuser.
pub(crate) fn url() -> String {
    std::env::var("OMEMO_TEST_POSTGRES")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned())
}

pub(crate) fn connect_options() -> PgConnectOptions {
    url()
        .parse::<PgConnectOptions>()
        .unwrap()
        .disable_statement_logging()
}

/// A connection for looking at things from outside the storage.
pub(crate) async fn connect() -> PgConnection {
    PgConnection::connect_with(&connect_options()).await.unwrap_or_else(|error| {
        panic!(
            "no PostgreSQL server answers ({error}): start one, and set OMEMO_TEST_POSTGRES to the URL of a superuser, \
             such as postgres://postgres@127.0.0.1:5432/postgres"
        )
    })
}

/// A schema of a test's own, dropped at its end.
pub(crate) struct Schema {
    pub(crate) name: String,
    /// What is to be run when the schema has gone.
    after: Vec<String>,
}

impl Schema {
    /// A name that is not in use; the schema is created by whoever opens a storage in it.
    pub(crate) fn new() -> Self {
        Self {
            name: format!("omemo_test_{:016x}", random()),
            after: Vec::new(),
        }
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresOptions::new(&url())
            .unwrap()
            .schema(&self.name)
            .connections(6)
    }

    pub(crate) async fn open(&self) -> PostgresStorage {
        // Says what to do if there is no server.
        connect().await.close().await.unwrap();
        self.options().open().await.unwrap()
    }

    /// The URL of a new role that may use the storage and owns nothing.
    pub(crate) async fn role(&mut self) -> String {
        let (role, password) = (format!("{}_role", self.name), random());
        self.execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD '{password}'; \
             GRANT USAGE ON SCHEMA $ TO {role}; \
             GRANT SELECT ON $.omemo_schema TO {role}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON $.omemo_record, $.omemo_commit TO {role}; \
             GRANT EXECUTE ON FUNCTION $.omemo_accounts TO {role}"
        ))
        .await;
        self.after.push(format!("DROP ROLE {role}"));
        let url = url();
        let (_, server) = url.rsplit_once('@').unwrap();
        format!("postgres://{role}:{password}@{server}")
    }

    /// The statement with `$` for the schema.
    pub(crate) fn sql(&self, statement: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(statement.replace('$', &self.name))
    }

    pub(crate) async fn execute(&self, statement: &str) {
        let mut connection = connect().await;
        sqlx::raw_sql(self.sql(statement))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    pub(crate) async fn count(&self, what: &str) -> i64 {
        let mut connection = connect().await;
        let count = sqlx::query_scalar(self.sql(&format!("SELECT count(*) FROM {what}")))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        count
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        // A test that fails may leave a transaction open, and nothing that ends it before this is over.
        let leavers = format!(
            "SELECT pg_terminate_backend(pid) FROM (SELECT DISTINCT pid FROM pg_locks JOIN pg_class \
             ON pg_class.oid = relation WHERE relnamespace = to_regnamespace('{}')) AS leavers",
            self.name
        );
        let mut statements = vec![leavers, format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name)];
        statements.append(&mut self.after);
        // A runtime may be running on this thread.
        let _ = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut connection = connect().await;
                for statement in statements {
                    let _ = sqlx::raw_sql(AssertSqlSafe(statement))
                        .execute(&mut connection)
                        .await;
                }
                let _ = connection.close().await;
            });
        })
        .join();
    }
}

/// A pool such as an application has.
pub(crate) fn pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new().max_connections(6).connect_lazy_with(options)
}

/// Unlike any other call's result, in this process or another.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}

pub(crate) fn account() -> AccountId {
    AccountId::new("romeo@montague.lit").unwrap()
}

pub(crate) fn key(partition: &str, item: &str) -> Key {
    Key::new(partition, item).unwrap()
}

pub(crate) fn batch() -> Batch {
    Batch::new(CommitId::from_bytes(
        (u128::from(random()) << 64 | u128::from(random())).to_be_bytes(),
    ))
}

/// A batch that creates a record.
pub(crate) fn creation(key: &Key, value: &str) -> Batch {
    let mut batch = batch();
    batch.put(key.clone(), None, text(value));
    batch
}

pub(crate) fn text(value: &str) -> Value {
    Value::from(value.as_bytes().to_vec())
}

pub(crate) async fn put<S: Storage>(
    storage: &S,
    key: &Key,
    expected: Option<Revision>,
    value: &str,
) -> Revision {
    let mut batch = batch();
    batch.put(key.clone(), expected, text(value));
    assert_eq!(
        storage.commit(&account(), &batch).await.unwrap(),
        Committed::Applied
    );
    batch.id().into()
}

/// The value at a key as text.
pub(crate) async fn value<S: Storage>(storage: &S, key: &Key) -> Result<Option<String>, StorageError> {
    let mut query = Query::new();
    query.records.insert(key.clone());
    let snapshot = storage.load(&account(), &query).await?;
    let record = snapshot.records.into_values().next();
    Ok(record.map(|record| String::from_utf8(record.value.as_bytes().to_vec()).unwrap()))
}

/// Adds one to the number at a key, over and over until nobody comes between.
pub(crate) async fn increment<S: Storage>(storage: &S, key: &Key) {
    loop {
        let mut query = Query::new();
        query.records.insert(key.clone());
        let snapshot = storage.load(&account(), &query).await.unwrap();
        let record = snapshot.records.get(key);
        let count = record.map_or(0, |record| {
            let text = std::str::from_utf8(record.value.as_bytes()).unwrap();
            text.parse::<u64>().unwrap()
        });
        let mut batch = batch();
        let value = Value::from((count + 1).to_string().into_bytes());
        batch.put(key.clone(), record.map(|record| record.revision), value);
        if storage.commit(&account(), &batch).await.unwrap() == Committed::Applied {
            return;
        }
    }
}
