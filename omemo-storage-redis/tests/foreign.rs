//! What is found in the server and was not written by this version of the storage.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::server::Server;
use common::{account, batch, key, put, text, value};
use omemo_storage::{ErrorKind, Query, Storage, StorageError};
use omemo_storage_redis::{RedisOptions, RedisStorage};

fn assert_error(error: &StorageError, kind: ErrorKind, says: &str) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.to_string().contains(says), "{error}");
}

async fn open(server: &Server) -> RedisStorage {
    RedisStorage::open(server.url()).await.unwrap()
}

/// A key of somebody else's in place of each of ours is found before anything is written.
#[tokio::test]
async fn key_of_another_type() {
    let server = Server::durable();
    let storage = open(&server).await;
    let tag = "omemo:{romeo@montague.lit}";
    put(&storage, &key("a", "i"), None, "value").await;
    let registry: Vec<String> = server.run("KEYS omemo:accounts:*");
    let registry = registry.first().unwrap().clone();
    storage.purge(&account()).await.unwrap();
    for theirs in [
        format!("{tag}:p:z"),
        format!("{tag}:partitions"),
        format!("{tag}:commits"),
        registry,
    ] {
        let _: () = server.run(&format!("SET {theirs} theirs"));
        let mut create = batch();
        for partition in ["a", "m", "z"] {
            create.put(key(partition, "i"), None, text("value"));
        }
        let error = storage.commit(&account(), &create).await.unwrap_err();
        assert_error(&error, ErrorKind::Corrupt, "another type");
        let keys: Vec<String> = server.run("KEYS omemo:*");
        let mut left = vec!["omemo:schema".to_owned(), theirs.clone()];
        left.sort();
        assert_eq!(
            {
                let mut keys = keys;
                keys.sort();
                keys
            },
            left
        );
        let kept: String = server.run(&format!("GET {theirs}"));
        assert_eq!(kept, "theirs");
        let _: () = server.run(&format!("DEL {theirs}"));
    }
    let _: () = server.run(&format!("SET {tag}:p:z theirs"));
    let error = value(&storage, &key("z", "i")).await.unwrap_err();
    assert_error(&error, ErrorKind::Corrupt, "another type");
}

#[tokio::test]
async fn records_that_are_none() {
    let server = Server::durable();
    let storage = open(&server).await;
    let partition = "omemo:{romeo@montague.lit}:p:p";
    let _: () = server.run(&format!("HSET {partition} i short"));
    let error = value(&storage, &key("p", "i")).await.unwrap_err();
    assert_error(&error, ErrorKind::Corrupt, "no revision");
    let _: () = redis::cmd("HSET")
        .arg(partition)
        .arg(b"\xff".as_slice())
        .arg("0123456789abcdef value")
        .query(&mut server.connection())
        .unwrap();
    let mut query = Query::new();
    query.partitions.insert(omemo_storage::Name::new("p").unwrap());
    let error = storage.load(&account(), &query).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
}

#[tokio::test]
async fn schema_of_a_newer_version() {
    let server = Server::durable();
    open(&server).await;
    let _: () = server.run("SET omemo:schema 99");
    let error = RedisStorage::open(server.url()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::UnsupportedVersion,
        "written by a newer version",
    );
    assert_error(&error, ErrorKind::UnsupportedVersion, "version 99");
    let _: () = server.run("SET omemo:schema sideways");
    let error = RedisStorage::open(server.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    // Another application's keys are its own.
    let options = RedisOptions::new(server.url()).unwrap();
    options.prefix("other").open().await.unwrap();
}
