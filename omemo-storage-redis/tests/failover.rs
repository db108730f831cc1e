//! A server dies and another takes over, in a Cluster and under Sentinels. With a wait for replicas nothing that was
//! acknowledged is lost.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod common;

use std::time::Duration;

use common::cluster::Cluster;
use common::server::{Server, until};
use common::worker::{Worker, meanwhile};
use common::{creation, key, value_of};
use omemo_storage::blocking::wait;
use omemo_storage::{AccountId, Committed, ErrorKind, Retry, Storage};
use omemo_storage_redis::{RedisOptions, RedisStorage};

fn open(url: &str) -> RedisStorage {
    let options = RedisOptions::new(url).unwrap();
    let waiting = options.wait_for_replicas(1, Duration::from_millis(500));
    wait(waiting.open()).unwrap()
}

/// One account for each primary, in their order.
fn accounts(cluster: &Cluster) -> Vec<String> {
    (0..cluster.primaries)
        .map(|primary| {
            (0..)
                .map(|n| format!("romeo{n}@montague.lit"))
                .find(|name| cluster.owner(&format!("{{{name}}}")) == primary)
                .unwrap()
        })
        .collect()
}

fn is_primary(server: &Server) -> bool {
    server
        .try_run::<String>("INFO replication")
        .is_ok_and(|info| info.contains("role:master"))
}

#[test]
fn primary_of_a_cluster_is_killed() {
    let mut cluster = Cluster::start(3, true);
    let storage = open(&cluster.url());
    let workers: Vec<Worker> = accounts(&cluster).iter().map(|name| Worker::new(name)).collect();
    for dead in [0, 1] {
        meanwhile(&workers, &storage, || {
            cluster.nodes[dead].kill();
            until("the failover", || is_primary(&cluster.nodes[dead + 3]));
            // Without a replica no commit of that slot is acknowledged; the one that died becomes it.
            cluster.nodes[dead].restart();
            until("the new replica", || !is_primary(&cluster.nodes[dead]));
        });
    }
    for worker in &workers {
        println!(
            "{}: {} commits, {:?}",
            worker.account,
            worker.applied(),
            worker.troubles()
        );
    }
    assert!(
        workers[..2].iter().all(|worker| worker.troubles() != (0, 0)),
        "nobody noticed"
    );
    // Who comes new finds everything too.
    let fresh = open(&cluster.url());
    for worker in &workers {
        worker.check(&fresh);
    }
}

/// The wait is for the replicas of the slot's primary, and for no others.
#[test]
fn replicas_of_other_primaries_are_not_waited_for() {
    let cluster = Cluster::start(3, true);
    let storage = open(&cluster.url());
    let accounts: Vec<AccountId> = accounts(&cluster)
        .iter()
        .map(|name| AccountId::new(name).unwrap())
        .collect();
    let replicas = &cluster.nodes[3..];
    for (stopped, replica) in replicas.iter().enumerate() {
        replica.signal("-STOP");
        for (n, account) in accounts.iter().enumerate() {
            let create = creation(&key(&stopped.to_string(), "i"), "value");
            let committed = wait(storage.commit(account, &create));
            if n == stopped {
                let error = committed.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error:?}");
                assert!(error.to_string().contains("0 of 1 replicas"), "{error}");
            } else {
                assert_eq!(committed.unwrap(), Committed::Applied);
            }
        }
        replica.signal("-CONT");
        until("the replica", || {
            wait(storage.commit(
                &accounts[stopped],
                &creation(&key("again", &stopped.to_string()), "value"),
            ))
            .is_ok()
        });
    }
}

/// Whether a sentinel has asked the replica, and heard that it follows its primary. Before, it would not promote it.
fn linked(known: &str) -> bool {
    known
        .split("master-link-status")
        .nth(1)
        .is_some_and(|rest| rest.split(',').nth(1).is_some_and(|status| status.contains("ok")))
}

/// A primary, its replica, and a sentinel that watches them under the name `omemo`.
struct Watched {
    servers: [Server; 2],
    sentinel: Server,
}

impl Watched {
    fn start() -> Self {
        const ARGUMENTS: &[&str] = &["--appendonly yes --appendfsync always --repl-diskless-sync-delay 0"];
        let servers = [Server::with(ARGUMENTS), Server::with(ARGUMENTS)];
        let [primary, replica] = &servers;
        let _: () = replica.run(&format!("REPLICAOF 127.0.0.1 {}", primary.port));
        until("the replica", || replica.info("master_link_status") == "up");
        let sentinel = Server::with(&["--sentinel"]);
        let _: () = sentinel.run(&format!("SENTINEL MONITOR omemo 127.0.0.1 {} 1", primary.port));
        let _: () = sentinel.run("SENTINEL SET omemo down-after-milliseconds 1000 failover-timeout 3000");
        until("the sentinel", || {
            let known: redis::Value = sentinel.run("SENTINEL REPLICAS omemo");
            let known = format!("{known:?}");
            known.contains(&replica.port.to_string()) && linked(&known)
        });
        Self { servers, sentinel }
    }

    fn url(&self) -> String {
        format!("redis-sentinel://{}/omemo", self.sentinel.address())
    }

    fn primary(&self) -> u16 {
        let address: (String, u16) = self.sentinel.run("SENTINEL GET-MASTER-ADDR-BY-NAME omemo");
        address.1
    }
}

#[test]
fn primary_under_a_sentinel_is_killed() {
    let mut watched = Watched::start();
    let storage = open(&watched.url());
    let workers = [
        Worker::new("romeo@montague.lit"),
        Worker::new("juliet@capulet.lit"),
    ];
    meanwhile(&workers, &storage, || {
        watched.servers[0].kill();
        until("the failover", || {
            is_primary(&watched.servers[1]) && watched.primary() == watched.servers[1].port
        });
        watched.servers[0].restart();
        until("the new replica", || !is_primary(&watched.servers[0]));
    });
    let fresh = open(&watched.url());
    for worker in &workers {
        println!(
            "{}: {} commits, {:?}",
            worker.account,
            worker.applied(),
            worker.troubles()
        );
        worker.check(&fresh);
    }
    assert!(
        workers.iter().all(|worker| worker.troubles() != (0, 0)),
        "nobody noticed"
    );
}

/// The primary that is told to hand over lives on as a replica, and is left alone.
#[test]
fn primary_under_a_sentinel_hands_over() {
    let watched = Watched::start();
    let storage = open(&watched.url());
    let workers = [
        Worker::new("romeo@montague.lit"),
        Worker::new("juliet@capulet.lit"),
    ];
    meanwhile(&workers, &storage, || {
        let _: () = watched.sentinel.run("SENTINEL FAILOVER omemo");
        until("the handover", || {
            is_primary(&watched.servers[1])
                && watched.primary() == watched.servers[1].port
                && !is_primary(&watched.servers[0])
        });
    });
}

#[test]
fn sentinels_have_to_be_waited_with() {
    let watched = Watched::start();
    let error = wait(RedisStorage::open(watched.url())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    assert!(error.to_string().contains("wait_for_replicas"), "{error}");
    let options = RedisOptions::new(watched.url()).unwrap();
    let volatile = wait(options.allow_volatile().open()).unwrap();
    let account = AccountId::new("romeo@montague.lit").unwrap();
    assert_eq!(wait(value_of(&volatile, &account, &key("p", "i"))).unwrap(), None);

    let unknown = watched.url().replace("/omemo", "/nobody");
    let error = wait(RedisStorage::open(unknown)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    assert!(error.to_string().contains("nobody"), "{error}");
    assert_eq!(error.retry(), Retry::Never);
}
