//! What an application writes together with a batch: all of both or none, once.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use common::{Schema, account, connect_options, creation, key, value};
use omemo_storage::{Committed, Companion, ErrorKind, Storage, Transactional};
use omemo_storage_postgres::{PostgresOptions, PostgresStorage};
use sqlx::postgres::PgPoolOptions;
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

/// PostgreSQL rolls such a transaction back when it is told to commit it, and calls that no error.
#[tokio::test]
async fn failure_that_the_application_does_not_mention() {
    let (schema, storage) = with_messages().await;
    let create = creation(&key("p", "i"), "value");
    let fails = schema.sql("INSERT INTO $.message VALUES (1 / 0)");
    let failed = storage
        .commit_with(&account(), &create, |connection| {
            Box::pin(async move {
                let _ = connection.execute(fails).await;
                Ok(())
            })
        })
        .await;
    assert_eq!(value(&storage, &key("p", "i")).await.unwrap(), None);
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Companion);
    let committed = storage
        .commit_with(&account(), &create, |connection| {
            message(connection, &schema, false)
        })
        .await;
    assert_eq!(committed.unwrap(), Committed::Applied);
    assert_eq!(schema.count("$.message").await, 1);
}

/// What is looked at only in the end is the application's as well.
#[tokio::test]
async fn constraint_that_is_deferred() {
    let (schema, storage) = with_messages().await;
    schema
        .execute("ALTER TABLE $.message ADD UNIQUE (body) DEFERRABLE INITIALLY DEFERRED")
        .await;
    let create = creation(&key("p", "i"), "value");
    let insert = schema.sql("INSERT INTO $.message VALUES ('hi'), ('hi')");
    let failed = storage
        .commit_with(&account(), &create, |connection| {
            Box::pin(async move {
                connection.execute(insert).await?;
                Ok(())
            })
        })
        .await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Companion);
    assert_eq!(value(&storage, &key("p", "i")).await.unwrap(), None);
}

/// Who loses patience leaves no transaction behind in the application's pool, for later commits to be lost in.
#[tokio::test]
async fn dropped_calls_leave_no_transaction_open() {
    let (schema, _) = with_messages().await;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(connect_options());
    let options = PostgresOptions::from_pool(pool).schema(&schema.name);
    let storage = options.open().await.unwrap();
    let mut polls = 0;
    loop {
        let dropped = creation(&key("dropped", &polls.to_string()), "value");
        let account = account();
        let call = storage.commit_with(&account, &dropped, |connection| {
            message(connection, &schema, false)
        });
        let ended = poll_and_drop(call, polls);
        let create = creation(&key("p", &polls.to_string()), "value");
        let committed = storage.commit(&account, &create).await;
        assert_eq!(committed.unwrap(), Committed::Applied);
        let there = format!("$.omemo_record WHERE partition = 'p' AND item = '{polls}'");
        assert_eq!(schema.count(&there).await, 1, "dropped after {polls} polls");
        let accompanied = schema.count("$.omemo_record WHERE partition = 'dropped'").await;
        assert_eq!(accompanied, schema.count("$.message").await);
        if ended {
            break;
        }
        polls += 1;
    }
    assert!(polls >= 4, "{polls}");
}

/// Polls a call a number of times, with a little time in between for its work to go on, and drops it. Tells whether it
/// had ended.
fn poll_and_drop(call: impl Future, polls: u32) -> bool {
    let mut call = pin!(call);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if call.as_mut().poll(&mut context).is_ready() {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
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
