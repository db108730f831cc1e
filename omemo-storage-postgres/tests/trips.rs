//! A load and a commit are one round trip and one statement each, whatever they hold.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::proxy::Proxy;
use common::{Schema, account, batch, key, text};
use omemo_storage::{Committed, Key, Query, Storage};
use omemo_storage_postgres::{PostgresOptions, PostgresStorage};
use sqlx::postgres::PgPoolOptions;

/// So many records of one partition.
fn together(partition: &str, records: usize) -> Vec<Key> {
    (0..records).map(|n| key(partition, &n.to_string())).collect()
}

/// So many records, each in a partition of its own.
fn apart(records: usize) -> Vec<Key> {
    (0..records)
        .map(|n| key(&format!("one of {records}: {n}"), "i"))
        .collect()
}

/// Puts the records and reads them back, each by name and all by their partitions.
async fn work(storage: &PostgresStorage, keys: &[Key]) -> [usize; 3] {
    let mut put = batch();
    let mut by_name = Query::new();
    let mut by_partition = Query::new();
    for key in keys {
        put.put(key.clone(), None, text("value"));
        by_name.records.insert(key.clone());
        by_partition.partitions.insert(key.partition.clone());
    }
    assert_eq!(
        storage.commit(&account(), &put).await.unwrap(),
        Committed::Applied
    );
    let mut found = [keys.len(); 3];
    found[1] = storage.load(&account(), &by_name).await.unwrap().records.len();
    found[2] = storage
        .load(&account(), &by_partition)
        .await
        .unwrap()
        .records
        .len();
    found
}

async fn assert_three_trips(proxy: &Proxy, storage: &PostgresStorage) {
    work(storage, &together("warm", 1)).await;
    proxy.take_requests();
    for records in [1, 1_000] {
        let found = work(storage, &together(&records.to_string(), records)).await;
        assert_eq!(found, [records; 3]);
        assert_eq!(proxy.take_requests(), 3, "{records} records");
        assert_eq!(work(storage, &apart(records)).await, [records; 3]);
        assert_eq!(proxy.take_requests(), 3, "{records} partitions");
    }
    let refused = common::creation(&key("1", "0"), "again");
    assert_eq!(
        storage.commit(&account(), &refused).await.unwrap(),
        Committed::Conflict
    );
    assert_eq!(proxy.take_requests(), 1, "a conflict");
    storage.records(&account(), None, 10).await.unwrap();
    storage.accounts(None, 10).await.unwrap();
    proxy.take_requests();
    storage.records(&account(), None, 10).await.unwrap();
    storage.accounts(None, 10).await.unwrap();
    assert_eq!(proxy.take_requests(), 2, "two listings");
}

#[tokio::test]
async fn one_trip_each() {
    let (schema, proxy) = (Schema::new(), Proxy::start());
    let options = PostgresOptions::new(&proxy.url()).unwrap().schema(&schema.name);
    assert_three_trips(&proxy, &options.open().await.unwrap()).await;
}

/// Without prepared statements there is nothing to warm either.
#[tokio::test]
async fn one_trip_each_as_text() {
    let (schema, proxy) = (Schema::new(), Proxy::start());
    let options = PostgresOptions::new(&proxy.url())
        .unwrap()
        .schema(&schema.name)
        .connections(1);
    let storage = options.pgbouncer().open().await.unwrap();
    proxy.take_requests();
    assert_eq!(work(&storage, &together("cold", 10)).await, [10; 3]);
    assert_eq!(proxy.take_requests(), 3);
    assert_three_trips(&proxy, &storage).await;
}

/// On an application's pool, sqlx asks for a sign of life when a connection goes back, and unless told otherwise once
/// more when it is lent.
#[tokio::test]
async fn one_trip_each_and_what_the_pool_asks() {
    let (schema, proxy) = (Schema::new(), Proxy::start());
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect(&proxy.url())
        .await
        .unwrap();
    let storage = PostgresOptions::from_pool(pool.clone())
        .schema(&schema.name)
        .open()
        .await
        .unwrap();
    work(&storage, &together("warm", 1)).await;
    // Waits for the last sign of life.
    drop(pool.acquire().await.unwrap());
    drop(pool.acquire().await.unwrap());
    proxy.take_requests();
    for records in [1, 1_000] {
        let found = work(&storage, &together(&records.to_string(), records)).await;
        assert_eq!(found, [records; 3]);
        drop(pool.acquire().await.unwrap());
        assert!(proxy.take_requests() <= 3 + 4, "{records} records");
    }
    pool.close().await;
}
