//! Each way a server can fail has an error of its own.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::time::Duration;

use common::server::Server;
use common::{account, batch, creation, key, put, text, value};
use omemo_storage::{Committed, ErrorKind, Query, Retry, Storage, StorageError, Value};
use omemo_storage_redis::{RedisOptions, RedisStorage};

fn assert_error(error: &StorageError, kind: ErrorKind, says: &str) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.to_string().contains(says), "{error}");
}

async fn open(server: &Server) -> RedisStorage {
    RedisStorage::open(server.url()).await.unwrap()
}

#[tokio::test]
async fn urls_that_are_none() {
    for (url, says) in [
        ("", "no URL"),
        ("127.0.0.1:6379", "no URL"),
        ("postgres://127.0.0.1", "no URL"),
        ("redis://:port", "no URL"),
        ("redis://127.0.0.1:notaport", "no URL"),
        ("redis://127.0.0.1/notanumber", "no URL"),
        ("redis-sentinel://127.0.0.1", "name of the primary"),
        ("redis-sentinel://127.0.0.1/", "no URL"),
        ("redis-cluster://127.0.0.1/1", "one database"),
        ("rediss://127.0.0.1", "without TLS"),
    ] {
        let error = RedisStorage::open(url).await.unwrap_err();
        assert_error(&error, ErrorKind::Misconfigured, says);
    }
    let options = RedisOptions::new("redis://127.0.0.1:1").unwrap();
    let error = options.prefix("{tag}").open().await.unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "prefix");
}

#[tokio::test]
async fn nobody_there() {
    for url in [
        "redis://127.0.0.1:1",
        "redis-sentinel://127.0.0.1:1/omemo",
        "redis-cluster://127.0.0.1:1,127.0.0.1:2",
        "redis+unix:///nowhere/redis.sock",
    ] {
        let error = RedisStorage::open(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{url}: {error:?}");
        assert_eq!(error.retry(), Retry::Later);
    }
}

/// By its own connection a server is not lost for ever.
#[tokio::test]
async fn server_that_is_gone_and_comes_back() {
    let mut server = Server::durable();
    let storage = open(&server).await;
    put(&storage, &key("p", "i"), None, "value").await;
    server.kill();
    let create = creation(&key("p", "j"), "value");
    let error = storage.commit(&account(), &create).await.unwrap_err();
    // It went out on the connection that was there.
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error:?}");
    // Now there is none, and nothing goes out.
    let error = storage.commit(&account(), &create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    let error = value(&storage, &key("p", "i")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    server.restart();
    assert_eq!(
        value(&storage, &key("p", "i")).await.unwrap().as_deref(),
        Some("value")
    );
    assert_eq!(
        storage.commit(&account(), &create).await.unwrap(),
        Committed::Applied
    );
}

/// A connection that was cut while nobody looked costs nobody an error, and no commit is applied twice.
#[tokio::test]
async fn connection_that_was_cut() {
    let server = Server::durable();
    let storage = open(&server).await;
    let mut revision = put(&storage, &key("p", "i"), None, "0").await;
    for n in 1..20 {
        let _: u64 = server.run("CLIENT KILL TYPE normal SKIPME yes");
        revision = put(&storage, &key("p", "i"), Some(revision), &n.to_string()).await;
    }
    assert_eq!(
        value(&storage, &key("p", "i")).await.unwrap().as_deref(),
        Some("19")
    );
}

/// A server that is silent leaves a commit unknown; sent again when it speaks, it was applied once.
#[tokio::test]
async fn silent_server() {
    let server = Server::durable();
    let options = RedisOptions::new(server.url()).unwrap();
    let storage = options.timeout(Duration::from_millis(200)).open().await.unwrap();
    let revision = put(&storage, &key("p", "i"), None, "old").await;
    server.signal("-STOP");
    let mut replace = batch();
    replace.put(key("p", "i"), Some(revision), text("new"));
    let error = storage.commit(&account(), &replace).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error:?}");
    assert_eq!(error.retry(), Retry::SameBatch);
    let error = value(&storage, &key("p", "i")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    server.signal("-CONT");
    common::server::until("an answer", || {
        let again = omemo_storage::blocking::wait(storage.commit(&account(), &replace));
        again.is_ok_and(|again| again == Committed::Applied)
    });
    assert_eq!(
        value(&storage, &key("p", "i")).await.unwrap().as_deref(),
        Some("new")
    );
}

/// A server that was restarted, or told to forget, is sent the scripts again.
#[tokio::test]
async fn scripts_that_the_server_has_forgotten() {
    let server = Server::durable();
    let storage = open(&server).await;
    put(&storage, &key("p", "i"), None, "value").await;
    let forget = || {
        let _: () = server.run("SCRIPT FLUSH");
    };
    forget();
    assert_eq!(
        value(&storage, &key("p", "i")).await.unwrap().as_deref(),
        Some("value")
    );
    forget();
    put(&storage, &key("p", "j"), None, "value").await;
    forget();
    assert_eq!(
        storage.records(&account(), None, 10).await.unwrap().entries.len(),
        2
    );
    forget();
    storage.purge(&account()).await.unwrap();
    assert!(storage.accounts(None, 10).await.unwrap().entries.is_empty());
}

/// Out of memory, a batch is refused whole; what is there can be read, and deleted by a purge.
#[tokio::test]
async fn full_memory() {
    let server = Server::durable();
    let storage = open(&server).await;
    let revision = put(&storage, &key("p", "i"), None, "value").await;
    let used: u64 = server.info("used_memory").parse().unwrap();
    let _: () = server.run(&format!("CONFIG SET maxmemory {}", used + 6_000_000));

    // Each would fit by itself at first; none is written in part.
    let large = |n: u32| {
        let mut large = batch();
        for item in 0..10 {
            let value = Value::from(b"zq".repeat(50_000));
            large.put(key(&format!("large {n}"), &item.to_string()), None, value);
        }
        large
    };
    let mut applied = 0;
    let (refused, error) = loop {
        let large = large(applied);
        match storage.commit(&account(), &large).await {
            Ok(committed) => assert_eq!(committed, Committed::Applied),
            Err(error) => break (large, error),
        }
        applied += 1;
        assert!(applied < 50, "nothing was refused");
    };
    assert!(applied > 0);
    assert_error(&error, ErrorKind::Full, "no memory");
    assert_eq!(error.retry(), Retry::Later);
    assert!(!format!("{error:?}").contains("zqzq"));

    let refused_partition = format!("large {applied}");
    let mut query = Query::new();
    for partition in [refused_partition.as_str(), "p"] {
        query
            .partitions
            .insert(omemo_storage::Name::new(partition).unwrap());
    }
    let there = storage.load(&account(), &query).await.unwrap().records;
    assert_eq!(there.into_keys().collect::<Vec<_>>(), [key("p", "i")]);

    // With room again the very batch goes through: it was not remembered.
    let _: () = server.run("CONFIG SET maxmemory 0");
    assert_eq!(
        storage.commit(&account(), &refused).await.unwrap(),
        Committed::Applied
    );
    let _: () = server.run(&format!("CONFIG SET maxmemory {}", used + 6_000_000));
    let mut replace = batch();
    replace.put(key("p", "i"), Some(revision), text("replaced"));
    let error = storage.commit(&account(), &replace).await.unwrap_err();
    assert_error(&error, ErrorKind::Full, "no memory");
    storage.purge(&account()).await.unwrap();
    put(&storage, &key("p", "i"), None, "value").await;
}

/// Two applications on one server do not see each other.
#[tokio::test]
async fn prefixes_keep_applications_apart() {
    let server = Server::durable();
    let open = |prefix: &'static str| RedisOptions::new(server.url()).unwrap().prefix(prefix).open();
    let (one, other) = (open("one").await.unwrap(), open("one:accounts").await.unwrap());
    put(&one, &key("p", "i"), None, "one").await;
    assert_eq!(value(&other, &key("p", "i")).await.unwrap(), None);
    assert!(other.accounts(None, 10).await.unwrap().entries.is_empty());
    put(&other, &key("p", "i"), None, "other").await;
    other.purge(&account()).await.unwrap();
    assert_eq!(value(&one, &key("p", "i")).await.unwrap().as_deref(), Some("one"));
    assert_eq!(one.accounts(None, 10).await.unwrap().entries, [account()]);
}

/// A user who lacks any of the commands that write gets an error before anything is written, also if they are taken away
/// while the connection is there.
#[tokio::test]
async fn commands_that_are_not_permitted() {
    let server = Server::with(&["--appendonly yes --appendfsync always --enable-debug-command local"]);
    let _: () = server.run("ACL SETUSER romeo on >balcony ~omemo:* +@all");
    let url = format!("redis://romeo:balcony@{}", server.address());
    let storage = RedisStorage::open(&url).await.unwrap();
    let kept = put(&storage, &key("kept", "i"), None, "value").await;
    for command in [
        "hset",
        "hdel",
        "hlen",
        "sadd",
        "srem",
        "scard",
        "zadd",
        "zrem",
        "zcard",
        "zscore",
        "hget",
        "hmget",
        "pttl",
        "pexpire",
        "zremrangebyscore",
        "time",
    ] {
        let before: String = server.run("DEBUG DIGEST");
        let _: () = server.run(&format!("ACL SETUSER romeo -{command}"));
        let mut all = batch();
        all.put(key("a", "i"), None, text("value"));
        all.put(key("a", "j"), None, text("value"));
        all.put(key("b", "i"), None, text("value"));
        all.delete(key("kept", "i"), Some(kept));
        let error = storage.commit(&account(), &all).await.unwrap_err();
        assert_error(&error, ErrorKind::Misconfigured, "may not run");
        let after: String = server.run("DEBUG DIGEST");
        assert_eq!(before, after, "without {command} something was written");
        let _: () = server.run(&format!("ACL SETUSER romeo +{command}"));
    }
    // Keys of which they may read some and write none.
    let before: String = server.run("DEBUG DIGEST");
    let _: () = server.run("ACL SETUSER romeo resetkeys %R~omemo:*");
    let error = storage
        .commit(&account(), &creation(&key("a", "i"), "value"))
        .await
        .unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "may not run");
    let after: String = server.run("DEBUG DIGEST");
    assert_eq!(before, after);
    for command in ["unlink", "zadd", "zrem"] {
        let _: () = server.run(&format!("ACL SETUSER romeo resetkeys ~omemo:* -{command}"));
        let error = storage.purge(&account()).await.unwrap_err();
        assert_error(&error, ErrorKind::Misconfigured, "may not run");
        let after: String = server.run("DEBUG DIGEST");
        assert_eq!(before, after);
        let _: () = server.run(&format!("ACL SETUSER romeo +{command}"));
    }
}

#[tokio::test]
async fn primary_that_became_a_replica() {
    let (server, other) = (Server::durable(), Server::durable());
    let storage = open(&server).await;
    put(&storage, &key("p", "i"), None, "value").await;
    let _: () = server.run(&format!("REPLICAOF 127.0.0.1 {}", other.port));
    let error = storage
        .commit(&account(), &creation(&key("p", "j"), "value"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    // What a replica has may be old.
    let error = value(&storage, &key("p", "i")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn server_with_too_many_connections() {
    let server = Server::with(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--maxclients",
        "1",
    ]);
    let _taken = server.connection();
    let error = RedisStorage::open(server.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

/// Another client's script does not end: nothing is written meanwhile.
#[tokio::test]
async fn server_that_is_busy() {
    let server = Server::with(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--busy-reply-threshold",
        "20",
    ]);
    let storage = open(&server).await;
    put(&storage, &key("p", "i"), None, "value").await;
    let url = server.url();
    let busy = std::thread::spawn(move || {
        let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        let ended: redis::RedisResult<()> = redis::cmd("EVAL")
            .arg("while true do end")
            .arg(0)
            .query(&mut connection);
        assert!(ended.is_err());
    });
    common::server::until("business", || server.try_run::<String>("PING").is_err());
    let error = storage
        .commit(&account(), &creation(&key("p", "j"), "value"))
        .await
        .unwrap_err();
    assert_error(&error, ErrorKind::Unavailable, "busy");
    let _: () = server.run("SCRIPT KILL");
    busy.join().unwrap();
    put(&storage, &key("p", "j"), None, "value").await;
}

/// Neither the user's password nor an account's name nor a value is to be seen, whatever goes wrong.
#[tokio::test]
async fn secrets_are_not_told() {
    let server = Server::durable();
    let _: () = server.run("ACL SETUSER romeo on >sw0rdfish ~* +@all");
    let secrets = ["sw0rdfish", "wr0ngfish", "zqzq", "montague"];
    let clean = |text: String| {
        for secret in secrets {
            assert!(!text.contains(secret), "{text}");
        }
    };
    for url in [
        format!("redis://romeo:wr0ngfish@{}", server.address()),
        format!("redis-cluster://romeo:wr0ngfish@{}", server.address()),
        format!("redis-sentinel://romeo:wr0ngfish@{}/omemo", server.address()),
        "redis://romeo:wr0ngfish@127.0.0.1:1".to_owned(),
        "redis://romeo:wr0ngfish@127.0.0.1:none".to_owned(),
        "rediss://romeo:wr0ngfish@127.0.0.1".to_owned(),
        "redis://romeo:wr0ngfish@127.0.0.1/none".to_owned(),
    ] {
        if let Ok(options) = RedisOptions::new(&url) {
            clean(format!("{options:?}"));
        }
        let error = RedisStorage::open(&url).await.unwrap_err();
        clean(format!("{error:?} {error}"));
    }
    let url = format!("redis://romeo:sw0rdfish@{}", server.address());
    let storage = RedisStorage::open(&url).await.unwrap();
    clean(format!("{storage:?} {:?}", RedisOptions::new(&url).unwrap()));

    let secret = creation(&key("p", "i"), "zqzq");
    for harm in [
        "ACL SETUSER romeo -evalsha",
        "ACL SETUSER romeo +evalsha -hset",
        "ACL SETUSER romeo off",
    ] {
        let _: () = server.run(harm);
        let _: u64 = server.run("CLIENT KILL TYPE normal SKIPME yes");
        let error = storage.commit(&account(), &secret).await.unwrap_err();
        clean(format!("{error:?} {error}"));
        assert_ne!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    }
}

/// What Redis says of a command it does not know repeats what it was sent.
#[tokio::test]
async fn server_without_scripts() {
    let server = Server::with(&["--appendonly yes --appendfsync always --rename-command EVALSHA hidden"]);
    let storage = open(&server).await;
    let error = storage
        .commit(&account(), &creation(&key("p", "i"), "zqzq"))
        .await
        .unwrap_err();
    assert_error(&error, ErrorKind::Misconfigured, "lacks a command");
    assert!(!format!("{error:?}").contains("montague"), "{error:?}");
}

#[tokio::test]
async fn closed_storage() {
    let server = Server::durable();
    let storage = open(&server).await;
    let clone = storage.clone();
    storage.close();
    for storage in [storage, clone] {
        let error = value(&storage, &key("p", "i")).await.unwrap_err();
        assert_error(&error, ErrorKind::Unavailable, "closed");
        let error = storage.commit(&account(), &batch()).await.unwrap_err();
        assert_error(&error, ErrorKind::Unavailable, "closed");
    }
    common::server::until("the end of the connections", || {
        server.info("connected_clients") == "1"
    });
}

#[tokio::test]
async fn socket_of_a_server() {
    let server = Server::with(&["--appendonly yes --appendfsync always --unixsocket ./redis.sock"]);
    let url = format!("redis+unix://{}/redis.sock", server.folder().display());
    let storage = RedisStorage::open(url).await.unwrap();
    put(&storage, &key("p", "i"), None, "value").await;
    let other = open(&server).await;
    assert_eq!(
        value(&other, &key("p", "i")).await.unwrap().as_deref(),
        Some("value")
    );
}
