//! A server that could come back with older state is not opened.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::time::Duration;

use common::cluster::Cluster;
use common::server::{DURABLE, Server, until};
use common::{account, batch, creation, key, put, value};
use omemo_storage::{Committed, ErrorKind, Retry, Storage, StorageError};
use omemo_storage_redis::{RedisOptions, RedisStorage};

fn assert_error(error: &StorageError, kind: ErrorKind, says: &str) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.to_string().contains(says), "{error}");
}

fn options(server: &Server) -> RedisOptions {
    RedisOptions::new(server.url()).unwrap()
}

/// Each setting by itself keeps the server from being opened; the error names it.
#[tokio::test]
async fn settings_that_are_not_durable() {
    let server = Server::durable();
    for (setting, wrong, right) in [
        ("appendonly", "no", "yes"),
        ("appendfsync", "everysec", "always"),
        ("appendfsync", "no", "always"),
        ("no-appendfsync-on-rewrite", "yes", "no"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
        ("maxmemory-policy", "volatile-ttl", "noeviction"),
    ] {
        let _: () = server.run(&format!("CONFIG SET {setting} {wrong}"));
        let error = options(&server).open().await.unwrap_err();
        assert_error(&error, ErrorKind::Misconfigured, &format!("{setting} is {wrong}"));
        let error = options(&server).vouch_for_settings().open().await.unwrap_err();
        assert_error(&error, ErrorKind::Misconfigured, setting);
        let volatile = options(&server).allow_volatile().open().await.unwrap();
        assert!(value(&volatile, &key("p", "i")).await.unwrap().is_none());
        let _: () = server.run(&format!("CONFIG SET {setting} {right}"));
    }
    options(&server).open().await.unwrap();
}

/// A server that came back with other settings is found out on the new connection.
#[tokio::test]
async fn settings_that_changed_with_a_restart() {
    let mut server = Server::durable();
    let storage = options(&server).open().await.unwrap();
    let revision = put(&storage, &key("p", "i"), None, "kept").await;
    server.kill();
    server.restart_with(&["--appendonly", "yes", "--appendfsync", "everysec"]);
    let mut replace = batch();
    replace.put(key("p", "i"), Some(revision), common::text("lost"));
    let error = storage.commit(&account(), &replace).await.unwrap_err();
    // The first attempt went out on the old connection, so nothing is certain.
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error:?}");
    let error = storage.commit(&account(), &replace).await.unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "appendfsync is everysec");
    let error = value(&storage, &key("p", "i")).await.unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "appendfsync is everysec");
    server.kill();
    server.restart_with(DURABLE);
    assert_eq!(
        value(&storage, &key("p", "i")).await.unwrap().as_deref(),
        Some("kept")
    );
}

/// Managed servers keep their settings to themselves: somebody has to vouch for them.
#[tokio::test]
async fn settings_that_cannot_be_checked() {
    let server = Server::durable();
    let _: () = server.run("ACL SETUSER romeo on >balcony ~* +@all -config");
    let url = format!("redis://romeo:balcony@{}", server.address());
    let error = RedisStorage::open(&url).await.unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "CONFIG");
    assert_error(&error, ErrorKind::Misconfigured, "vouch_for_settings");
    let options = RedisOptions::new(&url).unwrap();
    let storage = options.clone().vouch_for_settings().open().await.unwrap();
    put(&storage, &key("p", "i"), None, "value").await;
    options.allow_volatile().open().await.unwrap();
}

/// What was acknowledged is there after `kill -9`.
#[tokio::test]
async fn killed_server() {
    let mut server = Server::durable();
    let storage = options(&server).open().await.unwrap();
    for n in 0..100 {
        put(&storage, &key("p", &n.to_string()), None, &n.to_string()).await;
        if n % 20 == 0 {
            server.kill();
            server.restart();
        }
    }
    server.kill();
    server.restart();
    for n in 0..100 {
        let found = value(&storage, &key("p", &n.to_string())).await.unwrap();
        assert_eq!(found, Some(n.to_string()));
    }
}

/// The ids of commits are as durable as the commits.
#[tokio::test]
async fn resent_after_a_restart() {
    let mut server = Server::durable();
    let storage = options(&server).open().await.unwrap();
    let create = creation(&key("p", "i"), "value");
    assert_eq!(
        storage.commit(&account(), &create).await.unwrap(),
        Committed::Applied
    );
    server.kill();
    server.restart();
    assert_eq!(
        storage.commit(&account(), &create).await.unwrap(),
        Committed::Applied
    );
}

/// Ids are remembered for ten minutes at least.
#[tokio::test]
async fn memory_of_commits() {
    let server = Server::durable();
    let storage = options(&server).open().await.unwrap();
    let revision = put(&storage, &key("p", "i"), None, "value").await;
    let commits = "omemo:{romeo@montague.lit}:commits";
    let remaining: i64 = server.run(&format!("PTTL {commits}"));
    assert!(remaining > 10 * 60 * 1_000, "{remaining} ms");

    // Of two that lie in the past, one long ago, the next commit forgets that one.
    let time: (u64, u64) = server.run("TIME");
    let ago = |minutes: u64| (time.0 - 60 * minutes) * 1_000;
    let _: u64 = server.run(&format!("ZADD {commits} {} recent {} old", ago(11), ago(60)));
    let mut replace = batch();
    replace.put(key("p", "i"), Some(revision), common::text("replaced"));
    assert_eq!(
        storage.commit(&account(), &replace).await.unwrap(),
        Committed::Applied
    );
    let recent: Option<f64> = server.run(&format!("ZSCORE {commits} recent"));
    let old: Option<f64> = server.run(&format!("ZSCORE {commits} old"));
    assert!(recent.is_some());
    assert!(old.is_none());
    // The memory of an account that rests goes by itself.
    let remaining: i64 = server.run(&format!("PTTL {commits}"));
    assert!(remaining < 60 * 60 * 1_000, "{remaining} ms");
}

/// How much was written. (How far the replicas are sent grows also where somebody only waits for them.)
fn changes(server: &Server) -> u64 {
    server.info("rdb_changes_since_last_save").parse().unwrap()
}

fn replica_of(primary: &Server) -> Server {
    let replica = Server::durable();
    let _: () = replica.run(&format!("REPLICAOF 127.0.0.1 {}", primary.port));
    until("the replica", || replica.info("master_link_status") == "up");
    replica
}

#[tokio::test]
async fn replicas_have_to_be_waited_for() {
    let server = Server::with(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--repl-diskless-sync-delay",
        "0",
    ]);
    let replica = replica_of(&server);
    for options in [options(&server), options(&server).vouch_for_settings()] {
        let error = options.open().await.unwrap_err();
        assert_error(&error, ErrorKind::Misconfigured, "wait_for_replicas");
    }
    options(&server).allow_volatile().open().await.unwrap();

    let error = options(&replica).open().await.unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, "replica");

    let waiting = options(&server).wait_for_replicas(1, Duration::from_secs(30));
    let storage = waiting.open().await.unwrap();
    put(&storage, &key("p", "i"), None, "value").await;
    let found: Vec<u8> = replica.run("HGET omemo:{romeo@montague.lit}:p:p i");
    assert!(found.ends_with(b"value"));
}

/// While a replica does not answer, the outcome of a commit is unknown; sent again when it does, it is known. Sending it
/// again writes something, so that there is something to wait for.
#[tokio::test]
async fn too_few_replicas() {
    let server = Server::with(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--repl-diskless-sync-delay",
        "0",
    ]);
    let replica = replica_of(&server);
    let waiting = options(&server).wait_for_replicas(1, Duration::from_millis(500));
    let storage = waiting.open().await.unwrap();
    let first = creation(&key("p", "i"), "value");
    until("the replica", || {
        omemo_storage::blocking::wait(storage.commit(&account(), &first)).is_ok()
    });

    replica.signal("-STOP");
    let create = creation(&key("p", "j"), "value");
    for _ in 0..2 {
        let before = changes(&server);
        let error = storage.commit(&account(), &create).await.unwrap_err();
        assert_error(&error, ErrorKind::OutcomeUnknown, "0 of 1 replicas");
        assert_eq!(error.retry(), Retry::SameBatch);
        let after = changes(&server);
        assert!(before < after, "nothing was written");
    }
    // What conflicts writes nothing, so there is nothing that a replica could lack.
    let conflicting = creation(&key("p", "i"), "value");
    assert_eq!(
        storage.commit(&account(), &conflicting).await.unwrap(),
        Committed::Conflict
    );
    // Loading waits for nobody.
    assert!(value(&storage, &key("p", "i")).await.unwrap().is_some());
    replica.signal("-CONT");
    until("the replica", || {
        omemo_storage::blocking::wait(storage.commit(&account(), &create)).is_ok()
    });
}

/// A purge that is sent again finds nothing left to remove, and still says nothing of replicas that lack the first one.
#[tokio::test]
async fn purge_that_is_sent_again_while_a_replica_does_not_answer() {
    let server = Server::with(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--repl-diskless-sync-delay",
        "0",
    ]);
    let replica = replica_of(&server);
    let waiting = options(&server).wait_for_replicas(1, Duration::from_millis(500));
    // A newer server waits for what the same connection has written, and for nothing if that is nothing.
    let [first, second] = [waiting.clone().open().await, waiting.open().await].map(Result::unwrap);
    let create = creation(&key("p", "i"), "value");
    until("the replica", || {
        omemo_storage::blocking::wait(first.commit(&account(), &create)).is_ok()
    });

    replica.signal("-STOP");
    for storage in [&first, &second] {
        let before = changes(&server);
        let error = storage.purge(&account()).await.unwrap_err();
        assert_error(&error, ErrorKind::OutcomeUnknown, "0 of 1 replicas");
        let after = changes(&server);
        assert!(before < after, "nothing was written");
    }
    replica.signal("-CONT");
    until("the replica", || {
        omemo_storage::blocking::wait(second.purge(&account())).is_ok()
    });
    let left: Vec<String> = replica.run("KEYS omemo:*");
    assert_eq!(left, ["omemo:schema"]);
}

#[tokio::test]
async fn replicas_in_a_cluster_have_to_be_waited_for() {
    let cluster = Cluster::start(1, true);
    let error = RedisStorage::open(cluster.url()).await.unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "wait_for_replicas");
    let options = RedisOptions::new(cluster.url()).unwrap();
    options.clone().allow_volatile().open().await.unwrap();
    options
        .wait_for_replicas(1, Duration::from_secs(30))
        .open()
        .await
        .unwrap();
}

/// Every primary is checked.
#[tokio::test]
async fn one_node_of_a_cluster_that_is_not_durable() {
    let cluster = Cluster::start(3, false);
    RedisStorage::open(cluster.url()).await.unwrap();
    for node in &cluster.nodes {
        let _: () = node.run("CONFIG SET appendfsync everysec");
        let error = RedisStorage::open(cluster.url()).await.unwrap_err();
        assert_error(&error, ErrorKind::Misconfigured, "appendfsync");
        let _: () = node.run("CONFIG SET appendfsync always");
    }
}
