//! Each way a server can fail has an error of its own.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::time::Duration;

use common::proxy::{Cut, Proxy};
use common::server::Server;
use common::{Schema, account, batch, connect_options, creation, key, pool, put, value};
use omemo_storage::{Committed, ErrorKind, Retry, Storage, StorageError, Value};
use omemo_storage_postgres::{PostgresOptions, PostgresStorage};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, Executor};

fn assert_error(error: &StorageError, kind: ErrorKind, says: &str) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.to_string().contains(says), "{error}");
}

/// A storage whose connections are opened with a setting.
async fn with_setting(schema: &Schema, name: &str, value: &str) -> Result<PostgresStorage, StorageError> {
    let pool = pool(connect_options().options([(name, value)]));
    PostgresOptions::from_pool(pool).schema(&schema.name).open().await
}

#[tokio::test]
async fn url_that_is_none() {
    for url in [
        "mysql://localhost/omemo",
        "postgres:/",
        "postgres://romeo:s3cret@localhost:port/omemo",
        "postgres://romeo:s3cret@localhost/omemo?sslmode=s3cret",
        "postgres://romeo:s3cret@[::1/omemo",
    ] {
        let Err(error) = PostgresOptions::new(url) else {
            continue;
        };
        assert_error(&error, ErrorKind::Misconfigured, "URL");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
    let error = PostgresOptions::new("postgres://romeo:s3cret@localhost:port/omemo").unwrap_err();
    assert_eq!(error.retry(), Retry::Never);
}

/// Nor by anything else that is printed.
#[tokio::test]
async fn password_is_not_shown() {
    let options = PostgresOptions::new("postgres://romeo:s3cret@127.0.0.1:1/omemo").unwrap();
    assert!(!format!("{options:?}").contains("s3cret"));
    let error = options.open().await.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, "lost");
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn database_that_does_not_exist() {
    let url = common::url();
    let (server, _) = url.rsplit_once('/').unwrap();
    let error = PostgresStorage::open(&format!("{server}/omemo_test_nowhere"))
        .await
        .unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "no such database");
}

#[tokio::test]
async fn role_that_may_nothing() {
    let mut schema = Schema::new();
    schema.open().await;
    let url = schema.role().await;
    schema
        .execute(&format!("REVOKE ALL ON $.omemo_record FROM {}_role", schema.name))
        .await;
    let options = PostgresOptions::new(&url).unwrap().schema(&schema.name);
    let storage = options.open().await.unwrap();
    let error = value(&storage, &key("p", "i")).await.unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "not permitted");
    let error = storage
        .commit(&account(), &creation(&key("p", "i"), "value"))
        .await
        .unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "not permitted");
}

#[tokio::test]
async fn schema_of_a_newer_version() {
    let schema = Schema::new();
    schema.open().await;
    schema
        .execute("INSERT INTO $.omemo_schema (version) VALUES (99)")
        .await;
    let error = schema.options().open().await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::UnsupportedVersion,
        "written by a newer version",
    );
    assert_error(&error, ErrorKind::UnsupportedVersion, "version 99");
}

#[tokio::test]
async fn schema_that_was_tampered_with() {
    let schema = Schema::new();
    let storage = schema.open().await;
    schema.execute("DROP TABLE $.omemo_record").await;
    let error = value(&storage, &key("p", "i")).await.unwrap_err();
    assert_error(&error, ErrorKind::Corrupt, "refused");
}

#[tokio::test]
async fn record_that_was_tampered_with() {
    let schema = Schema::new();
    let storage = schema.open().await;
    put(&storage, &key("p", "i"), None, "value").await;
    schema
        .execute("UPDATE $.omemo_record SET revision = 'short'")
        .await;
    let error = value(&storage, &key("p", "i")).await.unwrap_err();
    assert_error(&error, ErrorKind::Corrupt, "16 bytes");
}

#[tokio::test]
async fn schema_names_that_cannot_be() {
    for name in ["", "a$b", &"s".repeat(64)] {
        let options = PostgresOptions::new(&common::url()).unwrap();
        let error = options.schema(name).open().await.unwrap_err();
        assert_error(&error, ErrorKind::Misconfigured, "schema's name");
    }
    let pool = pool(connect_options().options([("search_path", "omemo_test_nowhere")]));
    let error = PostgresStorage::from_pool(pool).await.unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "search_path");
}

/// There, a commit would not see what was committed while it waited.
#[tokio::test]
async fn isolation_that_is_not_read_committed() {
    let schema = Schema::new();
    for isolation in ["repeatable read", "serializable"] {
        let error = with_setting(&schema, "default_transaction_isolation", isolation)
            .await
            .unwrap_err();
        assert_error(&error, ErrorKind::Misconfigured, "default_transaction_isolation");
    }
    // And if the setting changes later.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(connect_options());
    let options = PostgresOptions::from_pool(pool.clone()).schema(&schema.name);
    let storage = options.open().await.unwrap();
    pool.execute("SET default_transaction_isolation = 'serializable'")
        .await
        .unwrap();
    let error = storage
        .commit(&account(), &creation(&key("p", "i"), "value"))
        .await
        .unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "default_transaction_isolation");
    let error = storage.purge(&account()).await.unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "default_transaction_isolation");
    assert_eq!(value(&storage, &key("p", "i")).await.unwrap(), None);
}

/// The storage's own connections have what they need, whatever the database's default is.
#[tokio::test]
async fn own_connections_do_not_follow_the_defaults() {
    let schema = Schema::new();
    let url = format!(
        "{}?options=-c%20default_transaction_isolation=serializable%20-c%20synchronous_commit=off",
        common::url()
    );
    let options = PostgresOptions::new(&url).unwrap().schema(&schema.name);
    let storage = options.open().await.unwrap();
    put(&storage, &key("p", "i"), None, "value").await;
}

/// A trigger tells that a record has gone, and some sessions fire none unless they are told to fire it always.
#[tokio::test]
async fn session_that_fires_no_triggers() {
    for partitions in [0, 4] {
        let schema = Schema::new();
        let options = schema.options().hash_partitions(partitions);
        options.open().await.unwrap();
        let storage = with_setting(&schema, "session_replication_role", "replica")
            .await
            .unwrap();
        let mut stale = batch();
        stale.put(
            key("p", "i"),
            Some(batch().id().into()),
            Value::from(b"value".to_vec()),
        );
        assert_eq!(
            storage.commit(&account(), &stale).await.unwrap(),
            Committed::Conflict
        );
        assert_eq!(value(&storage, &key("p", "i")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn session_that_is_read_only() {
    let schema = Schema::new();
    let storage = schema.open().await;
    put(&storage, &key("p", "i"), None, "value").await;
    let storage = with_setting(&schema, "default_transaction_read_only", "on")
        .await
        .unwrap();
    let read = value(&storage, &key("p", "i")).await.unwrap();
    assert_eq!(read.as_deref(), Some("value"));
    let error = storage
        .commit(&account(), &creation(&key("p", "j"), "value"))
        .await
        .unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "read-only");
}

#[tokio::test]
async fn locks_and_statements_that_take_too_long() {
    let schema = Schema::new();
    for (setting, says) in [
        ("lock_timeout", "lock_timeout"),
        ("statement_timeout", "cancelled"),
    ] {
        let storage = with_setting(&schema, setting, "50ms").await.unwrap();
        let mut other = common::connect().await;
        let mut transaction = other.begin().await.unwrap();
        let blocking = creation(&key("p", setting), "of another");
        assert_eq!(
            storage
                .commit_in(&mut transaction, &account(), &blocking)
                .await
                .unwrap(),
            Committed::Applied
        );
        let blocked = creation(&key("p", setting), "value");
        let error = storage.commit(&account(), &blocked).await.unwrap_err();
        assert_error(&error, ErrorKind::Unavailable, says);
        assert_eq!(error.retry(), Retry::Later);
        // Reading waits for nobody.
        assert_eq!(value(&storage, &key("p", setting)).await.unwrap(), None);
        transaction.rollback().await.unwrap();
        assert_eq!(
            storage.commit(&account(), &blocked).await.unwrap(),
            Committed::Applied
        );
    }
}

/// Whoever does not answer for too long is given up, and the outcome is learned later.
#[tokio::test]
async fn answer_that_does_not_come() {
    let schema = Schema::new();
    schema.open().await;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(connect_options());
    let shared = PostgresOptions::from_pool(pool).schema(&schema.name);
    for options in [schema.options().connections(1), shared] {
        let options = options.answer_timeout(Duration::from_millis(300));
        let storage = options.open().await.unwrap();
        let mut other = common::connect().await;
        let mut transaction = other.begin().await.unwrap();
        let of_another = creation(&key("of another", "i"), "value");
        let committed = storage.commit_in(&mut transaction, &account(), &of_another).await;
        assert_eq!(committed.unwrap(), Committed::Applied);
        let late = creation(&key("late", &common::random().to_string()), "value");
        let error = storage.commit(&account(), &late).await.unwrap_err();
        assert_error(&error, ErrorKind::OutcomeUnknown, "not known");
        // The connection was given up, and keeps nobody out.
        assert_eq!(value(&storage, &key("p", "i")).await.unwrap(), None);
        transaction.rollback().await.unwrap();
        assert_eq!(
            storage.commit(&account(), &late).await.unwrap(),
            Committed::Applied
        );
    }
}

#[tokio::test]
async fn connections_that_are_all_in_use() {
    let schema = Schema::new();
    let options = schema.options().connections(1);
    let storage = options
        .acquire_timeout(Duration::from_secs(2))
        .open()
        .await
        .unwrap();
    let mut other = common::connect().await;
    let mut transaction = other.begin().await.unwrap();
    let blocking = creation(&key("p", "i"), "of another");
    assert_eq!(
        storage
            .commit_in(&mut transaction, &account(), &blocking)
            .await
            .unwrap(),
        Committed::Applied
    );
    let waiting = {
        let storage = storage.clone();
        tokio::spawn(async move {
            storage
                .commit(&account(), &creation(&key("p", "j"), "value"))
                .await
        })
    };
    // The connection is in use once the commit waits for its lock.
    while schema.count(&blocked_by(&mut transaction).await).await == 0 {}
    let error = value(&storage, &key("p", "i")).await.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, "became free");
    assert_eq!(error.retry(), Retry::Later);
    transaction.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), Committed::Applied);
    assert_eq!(
        value(&storage, &key("p", "j")).await.unwrap().as_deref(),
        Some("value")
    );
}

#[tokio::test]
async fn server_that_is_not_there() {
    let (schema, proxy) = (Schema::new(), Proxy::start());
    let options = PostgresOptions::new(&proxy.url()).unwrap().schema(&schema.name);
    let storage = options.clone().open().await.unwrap();
    proxy.close();
    let error = options.open().await.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, "lost");
    // One connection was open and is found to be lost; then there are none.
    value(&storage, &key("p", "i")).await.unwrap_err();
    let error = storage
        .commit(&account(), &creation(&key("p", "i"), "value"))
        .await
        .unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, "lost");
    proxy.reopen();
    put(&storage, &key("p", "i"), None, "value").await;
}

/// Whenever the connection is cut, the same batch sent again is applied, once.
#[tokio::test]
async fn connection_that_is_cut_during_a_commit() {
    let (schema, proxy) = (Schema::new(), Proxy::start());
    let options = PostgresOptions::new(&proxy.url()).unwrap().schema(&schema.name);
    for options in [options.clone(), options.pgbouncer()] {
        let storage = options.connections(1).open().await.unwrap();
        for cut in [Cut::BeforeRequest, Cut::WithinRequest, Cut::BeforeAnswer] {
            let key = key("p", &format!("{cut:?} {:x}", common::random()));
            put(
                &storage,
                &common::key("warm", &key.item.to_string()),
                None,
                "value",
            )
            .await;
            let batch = creation(&key, "value");
            proxy.plan(cut);
            let error = storage.commit(&account(), &batch).await.unwrap_err();
            assert!(proxy.has_cut());
            assert_error(&error, ErrorKind::OutcomeUnknown, "not known");
            assert_eq!(error.retry(), Retry::SameBatch);

            let read = value(&storage, &key).await.unwrap();
            assert_eq!(read.is_some(), cut == Cut::BeforeAnswer, "{cut:?}");
            assert_eq!(
                storage.commit(&account(), &batch).await.unwrap(),
                Committed::Applied
            );
            let again = creation(&key, "again");
            assert_eq!(
                storage.commit(&account(), &again).await.unwrap(),
                Committed::Conflict
            );
        }
    }
}

#[tokio::test]
async fn connection_that_is_cut_during_a_load() {
    let (schema, proxy) = (Schema::new(), Proxy::start());
    let options = PostgresOptions::new(&proxy.url()).unwrap().schema(&schema.name);
    let storage = options.connections(1).open().await.unwrap();
    put(&storage, &key("p", "i"), None, "value").await;
    for cut in [Cut::BeforeRequest, Cut::WithinRequest, Cut::BeforeAnswer] {
        proxy.plan(cut);
        let error = value(&storage, &key("p", "i")).await.unwrap_err();
        assert!(proxy.has_cut());
        assert_error(&error, ErrorKind::Unavailable, "lost");
        assert_eq!(
            value(&storage, &key("p", "i")).await.unwrap().as_deref(),
            Some("value")
        );
    }
}

/// The server says that it goes, and nobody knows whether it went before the commit or after.
#[tokio::test]
async fn session_that_is_terminated() {
    let schema = Schema::new();
    let storage = schema.open().await;
    let mut other = common::connect().await;
    let mut transaction = other.begin().await.unwrap();
    let blocking = creation(&key("p", "i"), "of another");
    assert_eq!(
        storage
            .commit_in(&mut transaction, &account(), &blocking)
            .await
            .unwrap(),
        Committed::Applied
    );
    let blocked = creation(&key("p", "j"), "value");
    let waiting = {
        let (storage, blocked) = (storage.clone(), blocked.clone());
        tokio::spawn(async move { storage.commit(&account(), &blocked).await })
    };
    let blocked_sessions = blocked_by(&mut transaction).await;
    let terminated = format!("(SELECT pg_terminate_backend(pid) FROM {blocked_sessions}) AS terminated");
    while schema.count(&terminated).await == 0 {}
    let error = waiting.await.unwrap().unwrap_err();
    assert_error(&error, ErrorKind::OutcomeUnknown, "not known");
    transaction.rollback().await.unwrap();
    assert_eq!(
        storage.commit(&account(), &blocked).await.unwrap(),
        Committed::Applied
    );
}

/// The sessions that wait for a connection's locks.
async fn blocked_by(connection: &mut sqlx::PgConnection) -> String {
    let session: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(connection)
        .await
        .unwrap();
    format!("pg_stat_activity WHERE {session} = ANY (pg_blocking_pids(pid))")
}

/// A name of an account or a value that PostgreSQL repeats in its complaint goes no further.
#[tokio::test]
async fn data_is_not_shown() {
    let schema = Schema::new();
    let storage = schema.open().await;
    schema
        .execute("ALTER TABLE $.omemo_record ADD CHECK (item <> 'bad')")
        .await;
    let mut batch = batch();
    batch.put(key("p", "bad"), None, Value::from(b"s3cret".to_vec()));
    let error = storage.commit(&account(), &batch).await.unwrap_err();
    assert_error(&error, ErrorKind::Corrupt, "refused");
    let shown = format!("{error:?}");
    // Among its details, PostgreSQL has the row, with its bytes in hex.
    for secret in ["romeo", "s3cret", "733363726574"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("23514"), "{shown}");
}

/// A file that may not grow is to PostgreSQL a disk that is full. The limit leaves room for its log.
#[tokio::test]
async fn full_disk() {
    const BLOCKS: u32 = 33_203;
    let server = Server::start_within(Some(BLOCKS), &[]).await;
    let storage = server.options().open().await.unwrap();
    let mut full = None;
    for n in 0..24 {
        let mut large = batch();
        large.put(key("p", &n.to_string()), None, Value::from(b"small".to_vec()));
        large.put(key("q", &n.to_string()), None, Value::from(vec![b'z'; 1 << 20]));
        match storage.commit(&account(), &large).await {
            Ok(committed) => assert_eq!(committed, Committed::Applied),
            Err(error) => full = full.or(Some((n, error))),
        }
    }
    let (n, error) = full.unwrap();
    assert_error(&error, ErrorKind::Full, "full");
    assert_eq!(error.retry(), Retry::Later);
    // Nothing of it was written, and what fits still does.
    assert_eq!(value(&storage, &key("p", &n.to_string())).await.unwrap(), None);
    put(&storage, &key("p", &n.to_string()), None, "value").await;
}

#[tokio::test]
async fn closed_storage() {
    let schema = Schema::new();
    let storage = schema.open().await;
    storage.close().await;
    let error = value(&storage, &key("p", "i")).await.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, "closed");
    let error = storage.commit(&account(), &batch()).await.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, "closed");
}
