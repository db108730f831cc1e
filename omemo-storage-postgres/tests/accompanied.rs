//! What an application writes together with a batch: all of both or none, once.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::{Schema, account, creation, key, value};
use omemo_storage::{Committed, Companion, ErrorKind, Transactional};
use omemo_storage_postgres::PostgresStorage;
use sqlx::{Executor, PgConnection};

/// Beside the storage's tables, one of the application's.
async fn with_messages() -> (Schema, PostgresStorage) {
    let schema = Schema::new();
    let storage = schema.open().await;
    schema.execute("CREATE TABLE $.message (body text)").await;
    (schema, storage)
}

/// Writes a message, and fails then if it is told to.
fn message<'t>(connection: &'t mut PgConnection, schema: &Schema, fails: bool) -> Companion<'t> {
    let insert = schema.sql("INSERT INTO $.message VALUES ('hi')");
    Box::pin(async move {
        connection.execute(insert).await?;
        if fails {
            Err("thought better of it".into())
        } else {
            Ok(())
        }
    })
}

#[tokio::test]
async fn both_take_effect_or_none() {
    let (schema, storage) = with_messages().await;
    let create = creation(&key("p", "i"), "value");
    let failed = storage
        .commit_with(&account(), &create, |connection| {
            message(connection, &schema, true)
        })
        .await
        .unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Companion);
    assert_eq!(schema.count("$.message").await, 0);
    assert_eq!(value(&storage, &key("p", "i")).await.unwrap(), None);
    assert_eq!(schema.count("$.omemo_commit").await, 0);

    let committed = storage
        .commit_with(&account(), &create, |connection| {
            message(connection, &schema, false)
        })
        .await;
    assert_eq!(committed.unwrap(), Committed::Applied);
    assert_eq!(schema.count("$.message").await, 1);
    assert_eq!(
        value(&storage, &key("p", "i")).await.unwrap().as_deref(),
        Some("value")
    );

    let late = creation(&key("p", "i"), "other");
    let committed = storage
        .commit_with(&account(), &late, |connection| {
            message(connection, &schema, false)
        })
        .await;
    assert_eq!(committed.unwrap(), Committed::Conflict);
    assert_eq!(schema.count("$.message").await, 1);
}

/// From eight sides at once, as when connections are cut and nobody knows what the server still does.
#[tokio::test(flavor = "multi_thread")]
async fn resent_batch_takes_nothing_along() {
    let (schema, storage) = with_messages().await;
    let schema = Arc::new(schema);
    for round in 0..20 {
        let create = creation(&key("p", &round.to_string()), "value");
        let ran = Arc::new(AtomicU32::new(0));
        let sides: Vec<_> = (0..8)
            .map(|_| {
                let (schema, storage, create, ran) =
                    (schema.clone(), storage.clone(), create.clone(), ran.clone());
                tokio::spawn(async move {
                    storage
                        .commit_with(&account(), &create, |connection| {
                            ran.fetch_add(1, Ordering::Relaxed);
                            message(connection, &schema, false)
                        })
                        .await
                })
            })
            .collect();
        for side in sides {
            assert_eq!(side.await.unwrap().unwrap(), Committed::Applied);
        }
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        assert_eq!(schema.count("$.message").await, round + 1);
    }
}
