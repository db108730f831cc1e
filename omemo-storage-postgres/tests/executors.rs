//! The storage runs on any executor, and outlives each.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;

use common::{Schema, account, increment, key, value};
use omemo_storage::{Query, Storage, blocking};
use omemo_storage_postgres::PostgresStorage;
use tokio::runtime::Builder;

fn opened(schema: &Schema) -> PostgresStorage {
    blocking::wait(schema.options().open()).unwrap()
}

/// Everything a storage does, also at the same time, and dropping it.
async fn work() {
    let schema = Schema::new();
    let storage = schema.options().open().await.unwrap();
    let counter = key("p", "counter");
    for _ in 0..10 {
        increment(&storage, &counter).await;
    }
    assert_eq!(value(&storage, &counter).await.unwrap().as_deref(), Some("10"));
    smol::future::zip(value(&storage, &counter), increment(&storage, &counter))
        .await
        .0
        .unwrap();
    assert_eq!(storage.accounts(None, 10).await.unwrap().entries, [account()]);
    assert_eq!(
        storage.records(&account(), None, 10).await.unwrap().entries.len(),
        1
    );
    storage.purge(&account()).await.unwrap();
}

#[test]
fn without_executor() {
    blocking::wait(work());
}

#[test]
fn on_smol() {
    smol::block_on(work());
    smol::block_on(smol::spawn(work()));
}

#[tokio::test]
async fn on_one_thread_of_tokio() {
    work().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_many_threads_of_tokio() {
    tokio::spawn(work()).await.unwrap();
}

#[test]
fn through_the_blocking_twin() {
    let schema = Schema::new();
    let storage = opened(&schema);
    blocking::wait(increment(&storage, &key("p", "counter")));
    let page = blocking::Storage::records(&storage, &account(), None, 10).unwrap();
    assert_eq!(page.entries.len(), 1);
}

#[test]
fn across_runtimes_that_end() {
    let schema = Schema::new();
    let storage = opened(&schema);
    for round in 0..30 {
        let runtime = match round % 2 {
            0 => Builder::new_current_thread().enable_all().build().unwrap(),
            _ => Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
        };
        runtime.block_on(async {
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let storage = storage.clone();
                    tokio::spawn(async move { increment(&storage, &key("p", "counter")).await })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            // This one is dropped with the runtime, wherever it is by then.
            let storage = storage.clone();
            tokio::spawn(async move { increment(&storage, &key("p", "other")).await });
            tokio::task::yield_now().await;
        });
    }
    let count = blocking::wait(value(&storage, &key("p", "counter"))).unwrap();
    assert_eq!(count.as_deref(), Some("120"));
}

#[test]
fn opened_in_a_runtime_that_ends() {
    let schema = Schema::new();
    let runtime = Builder::new_current_thread().build().unwrap();
    let storage = runtime.block_on(schema.options().open()).unwrap();
    drop(runtime);
    blocking::wait(increment(&storage, &key("p", "counter")));
    drop(storage);
}

#[test]
fn dropped_at_any_time_outside_of_any_executor() {
    for polls in 0..8 {
        let schema = Schema::new();
        let storage = opened(&schema);
        blocking::wait(increment(&storage, &key("p", "counter")));
        {
            let query = Query::new();
            let (account, counter) = (account(), key("p", "counter"));
            let mut load = pin!(storage.load(&account, &query));
            let mut increment = pin!(increment(&storage, &counter));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                if load.as_mut().poll(&mut context).is_ready() {
                    break;
                }
                if increment.as_mut().poll(&mut context).is_ready() {
                    break;
                }
                thread::yield_now();
            }
        }
        drop(storage);
    }
    let opening = PostgresStorage::open("postgres://nobody@192.0.2.1/nowhere");
    drop(opening);
}

#[test]
fn used_by_many_threads_at_once() {
    let schema = Schema::new();
    let storage = opened(&schema);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    blocking::wait(increment(&storage, &key("p", "counter")));
                }
            });
        }
    });
    let count = blocking::wait(value(&storage, &key("p", "counter"))).unwrap();
    assert_eq!(count.as_deref(), Some("160"));
}
