//! Storages on servers that have to be told more than a URL.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;
#[path = "../../omemo-storage-postgres/tests/common/mod.rs"]
mod postgres;
#[path = "../../omemo-storage-redis/tests/common/mod.rs"]
mod redis;
#[path = "common/sealing.rs"]
mod sealing;

use std::fs;
use std::time::Duration;

use common::{fingerprints, good, omemo, omemo_with, python_omemo};
use omemo_storage::blocking::wait;
use omemo_storage::{AccountId, MasterKey, Sealed, Storage};
use omemo_storage_redis::RedisOptions;
use sealing::{JULIET, NEW, OLD, ROMEO, key_file, rekey_while_a_client_writes};
use tempfile::TempDir;

/// Files with both master keys.
struct Keys {
    old: String,
    new: String,
    _directory: TempDir,
}

impl Keys {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let [old, new] = [OLD, NEW].map(|byte| key_file(directory.path(), byte));
        Self {
            old,
            new,
            _directory: directory,
        }
    }
}

/// Writes a record of an account, sealed by the old key.
fn fill(storage: impl Storage) {
    let sealed = Sealed::new(storage, MasterKey::from_bytes([OLD; 32]));
    wait(redis::put(&sealed, &redis::key("p", "i"), None, "value"));
}

/// Nobody has to promise less than clients do, to rotate keys there.
#[test]
fn a_cluster_with_replicas_is_rekeyed_and_looked_at() {
    let (cluster, keys) = (redis::cluster::OrdinaryCluster::replicated(), Keys::new());
    let (url, prefix) = (&cluster.url, format!("omemo-cli-{:x}", redis::random()));
    let options = RedisOptions::new(url).unwrap().prefix(&prefix);
    let waiting = options.wait_for_replicas(1, Duration::from_secs(30));
    let storage = wait(waiting.open()).unwrap();
    fill(storage.clone());

    let rekey = ["rekey", url, "--key-file", &keys.old, "--new-key-file", &keys.new];
    let run = omemo(&[&rekey[..], &["--prefix", &prefix]].concat());
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("wait_for_replicas"), "{run:?}");
    let told = ["--prefix", &prefix, "--wait-for-replicas", "1"];
    let out = good(&[&rekey[..], &told].concat());
    assert!(out.starts_with("1 account rekeyed, 0 had the new key"), "{out}");

    let out = good(&["inspect", url, "--prefix", &prefix, "--key-file", &keys.new]);
    assert!(out.starts_with("romeo@montague.lit\n  p\n"), "{out}");
    wait(storage.purge(&redis::account())).unwrap();
}

#[test]
fn a_schema_of_its_own_in_postgresql() {
    let (schema, keys) = (postgres::Schema::new(), Keys::new());
    let url = postgres::url();
    let storage = wait(schema.options().open()).unwrap();
    fill(storage);

    let told = ["--schema", &schema.name];
    let rekey = [
        "rekey",
        &url,
        "--key-file",
        &keys.old,
        "--new-key-file",
        &keys.new,
    ];
    let out = good(&[&rekey[..], &told].concat());
    assert!(out.starts_with("1 account rekeyed, 0 had the new key"), "{out}");
    let out = good(&[&["inspect", &url, "--key-file", &keys.new][..], &told].concat());
    assert!(out.starts_with("romeo@montague.lit\n  p\n"), "{out}");
}

#[test]
fn postgresql_is_rekeyed_while_a_client_writes() {
    let schema = postgres::Schema::new();
    let storage = || wait(schema.options().open()).unwrap();
    rekey_while_a_client_writes(storage, &postgres::url(), &["--schema", &schema.name]);
}

#[test]
fn redis_is_rekeyed_while_a_client_writes() {
    let server = redis::server::Ordinary::durable();
    let prefix = format!("omemo-cli-{:x}", redis::random());
    let options = RedisOptions::new(&server.url).unwrap().prefix(&prefix);
    let storage = || wait(options.clone().open()).unwrap();
    rekey_while_a_client_writes(storage, &server.url, &["--prefix", &prefix]);
    for account in [ROMEO, JULIET] {
        wait(storage().purge(&AccountId::new(account).unwrap())).unwrap();
    }
}

/// Of a pooler of transactions it has to be told, also of one that keeps prepared statements.
#[test]
fn postgresql_through_pgbouncer() {
    let (schema, pooler, keys) = (
        postgres::Schema::new(),
        postgres::pooler::Pooler::start(),
        Keys::new(),
    );
    fill(wait(schema.options().open()).unwrap());

    let url = pooler.url();
    let inspect = ["inspect", &url, "--schema", &schema.name, "--key-file", &keys.old];
    let run = omemo(&inspect);
    assert_eq!(run.code, 1, "{run:?}");
    let out = good(&[&inspect[..], &["--pgbouncer"]].concat());
    assert!(out.starts_with("romeo@montague.lit\n  p\n"), "{out}");
}

/// Takes an account over to a server, sealed: all that was announced, and once.
fn move_to(url: &str, told: &[&str]) {
    let (directory, keys) = (TempDir::new().unwrap(), Keys::new());
    let source = python_omemo(directory.path());
    let before = fs::read(&source).unwrap();
    let told = [told, &["--key-file", &keys.new]].concat();
    let import = [&["import", &source, url], &told[..]].concat();
    let counts = |out: &str| {
        let mut lines = out.lines();
        let counts = lines.find_map(|line| line.split_once("taken over: "));
        counts.unwrap().1.to_owned()
    };
    let announced = good(&[&import[..], &["--dry-run"]].concat());
    assert!(announced.contains("would be taken over: "), "{announced}");
    let done = good(&import);
    assert!(done.contains("Nothing may run on the source any more"), "{done}");
    assert_eq!(counts(&done), counts(&announced));
    for more in [&[][..], &["--dry-run"]] {
        let again = omemo(&[&import[..], more].concat());
        assert_eq!(again.code, 1, "{again:?}");
        assert!(again.err.contains("the account is there already"), "{again:?}");
    }
    assert_eq!(fs::read(&source).unwrap(), before);

    let out = good(&[&["fingerprint", url], &told[..]].concat());
    assert!(out.starts_with("bob@example.org\n"), "{out}");
    assert_eq!(fingerprints(&out).len(), 4, "{out}");
}

#[test]
fn an_account_moves_to_postgresql() {
    let schema = postgres::Schema::new();
    move_to(&postgres::url(), &["--schema", &schema.name]);
}

#[test]
fn an_account_moves_to_redis() {
    let server = redis::server::Ordinary::durable();
    let prefix = format!("omemo-cli-{:x}", redis::random());
    move_to(&server.url, &["--prefix", &prefix]);
    let storage = wait(RedisOptions::new(&server.url).unwrap().prefix(&prefix).open()).unwrap();
    wait(storage.purge(&AccountId::new("bob@example.org").unwrap())).unwrap();
}

/// Runs the suite on a server that forgets: with few random programs, and without the disk, it takes seconds.
fn passes_the_suite(url: &str, told: &[&str]) {
    let conformance = [&["conformance", url, "--allow-volatile"][..], told].concat();
    let run = omemo_with(&conformance, &[("PROPTEST_CASES", "4")]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    let total = run.out.lines().last().unwrap();
    // It neither ends the server nor cuts its connections.
    assert!(total.contains(" 0 failed, 2 not applicable "), "{total}");
}

#[test]
fn a_schema_of_postgresql_passes_the_suite() {
    let schema = postgres::Schema::new();
    passes_the_suite(&postgres::url(), &["--schema", &schema.name]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // It is that schema which was written to.
    assert!(runtime.block_on(schema.count("$.omemo_schema")) > 0);
}

#[test]
fn redis_with_a_replica_passes_the_suite() {
    let server = redis::server::Server::with(&["--repl-diskless-sync-delay", "0"]);
    let replica = redis::server::Server::with(&[]);
    let _: () = replica.run(&format!("REPLICAOF 127.0.0.1 {}", server.port));
    redis::server::until("the replica", || replica.info("master_link_status") == "up");
    let told = ["--prefix", "verona", "--wait-for-replicas", "1"];
    passes_the_suite(&server.url(), &told);
    let keys: Vec<String> = server.run("KEYS *");
    assert!(keys.iter().all(|key| key.starts_with("verona:")), "{keys:?}");
    assert!(keys.iter().any(|key| key == "verona:schema"), "{keys:?}");
}

#[test]
fn options_of_another_storage_are_wrong_usage() {
    for (url, option, says) in [
        (
            "sqlite:omemo.db",
            &["--schema", "verona"][..],
            "--schema is for PostgreSQL alone",
        ),
        (
            "redis://host",
            &["--pgbouncer"],
            "--pgbouncer is for PostgreSQL alone",
        ),
        (
            "sqlite:omemo.db",
            &["--prefix", "verona"],
            "--prefix is for Redis alone",
        ),
        (
            "postgres://host/omemo",
            &["--wait-for-replicas", "1"],
            "--wait-for-replicas is for Redis alone",
        ),
    ] {
        for command in ["inspect", "doctor", "fingerprint", "accept-copy", "conformance"] {
            let run = omemo(&[&[command, url][..], option].concat());
            assert_eq!((run.code, run.err.lines().count()), (2, 1), "{run:?}");
            assert!(run.err.contains(says), "{run:?}");
        }
    }
}
