//! A call is one script, whatever it reads and writes. Counted by the server.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::cluster::Cluster;
use common::server::{Server, until};
use common::{account, batch, key, put, text};
use omemo_storage::{Batch, Committed, Key, Name, Query, Storage};
use omemo_storage_redis::{RedisOptions, RedisStorage};

/// What can begin or end a round trip; what a script calls is none.
const COMMANDS: [&str; 8] = [
    "evalsha",
    "eval",
    "fcall",
    "multi",
    "exec",
    "script|load",
    "wait",
    "ping",
];

fn counted(servers: &[Server]) -> Vec<u64> {
    COMMANDS
        .iter()
        .map(|command| servers.iter().map(|server| server.calls(command)).sum())
        .collect()
}

/// What the servers were asked during a call, as `name: times`.
async fn asked<T>(servers: &[Server], call: impl Future<Output = T>) -> (T, Vec<String>) {
    let before = counted(servers);
    let answer = call.await;
    let after = counted(servers);
    let counts = COMMANDS.iter().zip(before.iter().zip(after));
    let asked = counts
        .filter(|(_, (before, after))| *before < after)
        .map(|(command, (before, after))| format!("{command}: {}", after - before))
        .collect();
    (answer, asked)
}

fn keys(count: usize) -> Vec<Key> {
    (0..count)
        .map(|n| key(&format!("contact/{n}@capulet.lit"), "contact"))
        .collect()
}

fn creation(keys: &[Key]) -> Batch {
    let mut batch = batch();
    for key in keys {
        batch.put(key.clone(), None, text("created"));
    }
    batch
}

async fn each_call_asks(storage: &RedisStorage, servers: &[Server], to_load: &str, to_commit: &[&str]) {
    // The first calls bring the scripts.
    put(storage, &key("p", "i"), None, "value").await;
    let mut query = Query::new();
    query.records.insert(key("p", "i"));
    storage.load(&account(), &query).await.unwrap();

    for count in [1, 1_000, 10_000] {
        storage.purge(&account()).await.unwrap();
        let keys = keys(count);
        let create = creation(&keys);
        let (committed, counts) = asked(servers, storage.commit(&account(), &create)).await;
        assert_eq!(committed.unwrap(), Committed::Applied);
        assert_eq!(counts, to_commit, "commit of {count} records");
        let (committed, counts) = asked(servers, storage.commit(&account(), &creation(&keys))).await;
        assert_eq!(committed.unwrap(), Committed::Conflict);
        assert_eq!(counts, to_commit, "conflict of {count} records");

        let mut query = Query::new();
        for (n, key) in keys.iter().enumerate() {
            match n % 2 {
                0 => query.records.insert(key.clone()),
                _ => query.partitions.insert(key.partition.clone()),
            };
        }
        let (loaded, counts) = asked(servers, storage.load(&account(), &query)).await;
        assert_eq!(loaded.unwrap().records.len(), count);
        assert_eq!(counts, [to_load], "load of {count} records");
    }
}

#[tokio::test]
async fn one_script_a_call() {
    let servers = [Server::durable()];
    let storage = RedisStorage::open(servers[0].url()).await.unwrap();
    each_call_asks(&storage, &servers, "evalsha: 1", &["evalsha: 1"]).await;
}

/// One write to the socket reaches the server as one read.
#[tokio::test]
async fn one_packet_a_call() {
    let server = Server::durable();
    let storage = RedisOptions::new(server.url()).unwrap().open().await.unwrap();
    let create = creation(&keys(10));
    assert_eq!(
        storage.commit(&account(), &create).await.unwrap(),
        Committed::Applied
    );
    let mut connection = server.connection();
    let mut reads = || {
        let stats: String = redis::cmd("INFO").arg("stats").query(&mut connection).unwrap();
        let reads = common::server::info(&stats, "total_reads_processed").unwrap();
        reads.parse::<u64>().unwrap()
    };
    let before = reads();
    assert_eq!(
        storage.commit(&account(), &create).await.unwrap(),
        Committed::Applied
    );
    // The question itself is read once.
    assert_eq!(reads() - before, 1 + 1);
}

#[tokio::test]
async fn one_script_a_call_in_a_cluster() {
    let cluster = Cluster::start(3, false);
    let storage = RedisStorage::open(cluster.url()).await.unwrap();
    each_call_asks(&storage, &cluster.nodes, "evalsha: 1", &["evalsha: 1"]).await;
}

#[tokio::test]
async fn one_script_and_one_wait_with_replicas() {
    let cluster = Cluster::start(1, true);
    let options = RedisOptions::new(cluster.url()).unwrap();
    let waiting = options.wait_for_replicas(1, Duration::from_secs(30));
    let storage = waiting.open().await.unwrap();
    // What the replica is told to repeat is no round trip.
    let primary = &cluster.nodes[..cluster.primaries];
    each_call_asks(&storage, primary, "evalsha: 1", &["evalsha: 1", "wait: 1"]).await;
}

/// Stands between clients and a server. Once it `holds`, it keeps a script back until the wait for replicas has come too.
struct Relay {
    address: SocketAddr,
    holds: Arc<AtomicBool>,
}

impl Relay {
    fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self {
            address: listener.local_addr().unwrap(),
            holds: Arc::default(),
        };
        let (address, holds) = (server.address(), relay.holds.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&address).unwrap());
                let both = || [client.try_clone().unwrap(), server.try_clone().unwrap()];
                let ([from, to], holds) = (both(), holds.clone());
                thread::spawn(move || pass_on(from, to, &holds));
                let [to, from] = both();
                thread::spawn(move || pass_on(from, to, &AtomicBool::new(false)));
            }
        });
        relay
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, holds: &AtomicBool) {
    let mut buffer = [0; 4_096];
    let mut kept: Vec<u8> = Vec::new();
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..read]);
        let has = |command: &[u8]| kept.windows(command.len()).any(|bytes| bytes == command);
        let is_held = holds.load(Ordering::SeqCst) && has(b"EVALSHA") && !has(b"WAIT");
        if !is_held && to.write_all(&std::mem::take(&mut kept)).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Whoever sends the wait only when the script was answered, waits for that answer in vain here.
#[tokio::test]
async fn script_and_wait_leave_together() {
    const ARGUMENTS: &[&str] = &["--appendonly yes --appendfsync always --repl-diskless-sync-delay 0"];
    let primary = [Server::with(ARGUMENTS)];
    let replica = Server::with(ARGUMENTS);
    let _: () = replica.run(&format!("REPLICAOF 127.0.0.1 {}", primary[0].port));
    until("the replica", || replica.info("master_link_status") == "up");
    let relay = Relay::to(&primary[0]);
    let options = RedisOptions::new(format!("redis://{}", relay.address)).unwrap();
    let waiting = options.wait_for_replicas(1, Duration::from_secs(10));
    let storage = waiting.open().await.unwrap();
    // The first call brings the script.
    put(&storage, &key("p", "i"), None, "value").await;

    relay.holds.store(true, Ordering::SeqCst);
    let create = creation(&keys(10));
    let (committed, counts) = asked(&primary, storage.commit(&account(), &create)).await;
    assert_eq!(committed.unwrap(), Committed::Applied);
    assert_eq!(counts, ["evalsha: 1", "wait: 1"]);
}

/// A partition with ten thousand records comes whole.
#[tokio::test]
async fn large_partition() {
    let servers = [Server::durable()];
    let storage = RedisStorage::open(servers[0].url()).await.unwrap();
    let keys: Vec<Key> = (0..10_000).map(|n| key("p", &n.to_string())).collect();
    assert_eq!(
        storage.commit(&account(), &creation(&keys)).await.unwrap(),
        Committed::Applied
    );
    let mut whole = Query::new();
    whole.partitions.insert(Name::new("p").unwrap());
    let mut single = Query::new();
    single.records.extend(keys);
    storage.load(&account(), &whole).await.unwrap();
    for query in [whole, single] {
        let (loaded, counts) = asked(&servers, storage.load(&account(), &query)).await;
        assert_eq!(loaded.unwrap().records.len(), 10_000);
        assert_eq!(counts, ["evalsha: 1"]);
    }
}
