//! A server that could come back without what it has answered is not opened.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::server::Server;
use common::{Schema, account, connect_options, creation, key, pool, put};
use omemo_storage::{Committed, ErrorKind, StorageError};
use omemo_storage_postgres::{PostgresOptions, PostgresStorage};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, Executor};

fn assert_error(error: &StorageError, kind: ErrorKind, says: &str) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn settings_that_are_not_durable() {
    for setting in ["fsync=off", "full_page_writes=off", "synchronous_commit=off"] {
        let server = Server::start(&[setting]).await;
        let (name, _) = setting.split_once('=').unwrap();
        let pool = pool(server.url().parse().unwrap());
        let error = PostgresStorage::from_pool(pool).await.unwrap_err();
        assert_error(&error, ErrorKind::Misconfigured, name);
        let opened = server.options().open().await;
        if name == "synchronous_commit" {
            // On connections of its own, the storage turns it on.
            opened.unwrap();
        } else {
            assert_error(&opened.unwrap_err(), ErrorKind::Misconfigured, name);
        }
        let storage = server.options().allow_volatile().open().await.unwrap();
        put(&storage, &key("p", "i"), None, "value").await;
    }
}

#[tokio::test]
async fn tables_that_do_not_survive_a_crash() {
    let schema = Schema::new();
    schema.open().await;
    for table in ["omemo_record", "omemo_commit"] {
        schema
            .execute(&format!("ALTER TABLE $.{table} SET UNLOGGED"))
            .await;
        let error = schema.options().open().await.unwrap_err();
        assert_error(&error, ErrorKind::Misconfigured, "UNLOGGED");
        schema.options().allow_volatile().open().await.unwrap();
        schema.execute(&format!("ALTER TABLE $.{table} SET LOGGED")).await;
    }
    schema.options().open().await.unwrap();
}

/// Who turned the setting off after the storage was opened has not turned it off for the storage.
#[tokio::test]
async fn commits_are_durable_whatever_the_session_says() {
    let schema = Schema::new();
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(connect_options());
    let options = PostgresOptions::from_pool(pool.clone()).schema(&schema.name);
    let storage = options.open().await.unwrap();
    let setting = "SELECT current_setting('synchronous_commit')";
    for (durable, storage) in [
        ("on", storage),
        (
            "off",
            PostgresOptions::from_pool(pool.clone())
                .schema(&schema.name)
                .allow_volatile()
                .open()
                .await
                .unwrap(),
        ),
    ] {
        let mut connection = pool.acquire().await.unwrap();
        connection.execute("SET synchronous_commit = off").await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        let creation = creation(&key("p", durable), "value");
        assert_eq!(
            storage
                .commit_in(&mut transaction, &account(), &creation)
                .await
                .unwrap(),
            Committed::Applied
        );
        // As it is when the transaction is about to be committed, after the function has returned.
        let at_the_end: String = sqlx::query_scalar(setting)
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(at_the_end, durable);
        transaction.commit().await.unwrap();
        let afterwards: String = sqlx::query_scalar(setting)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        assert_eq!(afterwards, "off");
    }
}
