//! Slots of a Cluster move from server to server while accounts in them are worked on.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod common;

use std::time::Duration;

use common::cluster::{Cluster, id};
use common::server::{Server, until};
use common::worker::{Worker, meanwhile};
use common::{account, batch, key, put, text, value};
use omemo_storage::blocking::wait;
use omemo_storage::{Batch, Committed, ErrorKind, Query, Revision, Storage, StorageError};
use omemo_storage_redis::{RedisOptions, RedisStorage};

/// A slot on its way.
struct Move<'a> {
    cluster: &'a Cluster,
    slot: u16,
    from: &'a Server,
    to: &'a Server,
}

impl<'a> Move<'a> {
    /// From its primary to the next.
    fn of(cluster: &'a Cluster, name: &str) -> Self {
        let tag = format!("{{{name}}}");
        let owner = cluster.owner(&tag);
        Self {
            cluster,
            slot: cluster.nodes[0].run(&format!("CLUSTER KEYSLOT {tag}")),
            from: &cluster.nodes[owner],
            to: &cluster.nodes[(owner + 1) % cluster.primaries],
        }
    }

    fn back(&self) -> Self {
        Self {
            cluster: self.cluster,
            slot: self.slot,
            from: self.to,
            to: self.from,
        }
    }

    fn begin(&self) {
        let slot = self.slot;
        let _: () = self
            .to
            .run(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", id(self.from)));
        let _: () = self
            .from
            .run(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", id(self.to)));
    }

    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self
            .from
            .run(&format!("CLUSTER GETKEYSINSLOT {} 100000", self.slot));
        keys.sort();
        keys
    }

    fn take(&self, key: &str) {
        let _: () = self
            .from
            .run(&format!("MIGRATE 127.0.0.1 {} {key} 0 5000", self.to.port));
    }

    /// Everybody is told, and has to agree before the next move.
    fn end(&self) {
        let others = self.cluster.nodes.iter().filter(|node| node.port != self.to.port);
        for server in [self.to].into_iter().chain(others) {
            let _: () = server.run(&format!("CLUSTER SETSLOT {} NODE {}", self.slot, id(self.to)));
        }
        // Also of the epoch in which it took the slot: who does not know that one would take the slot back in an older
        // one, and believe the first late message that says otherwise. Then nobody would have it.
        let owner = id(self.to);
        for node in &self.cluster.nodes {
            until("agreement", || {
                node.owner_of(self.slot) == Some(self.to.port)
                    && node.epoch_of(&owner) == self.to.epoch_of(&owner)
            });
        }
    }

    /// Until nothing is left: while keys are taken, others come.
    fn whole(&self) {
        self.begin();
        loop {
            let keys = self.keys();
            if keys.is_empty() {
                break;
            }
            for key in keys {
                self.take(&key);
            }
        }
        self.end();
    }
}

async fn open(cluster: &Cluster) -> RedisStorage {
    let options = RedisOptions::new(cluster.url()).unwrap();
    options.timeout(Duration::from_millis(300)).open().await.unwrap()
}

fn assert_moving<T: std::fmt::Debug>(answer: Result<T, StorageError>) {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains("moving"), "{error}");
}

const PARTITIONS: [&str; 3] = ["a", "b", "c"];

/// Replaces a record in each partition.
fn replacing(revision: Revision, value: &str) -> Batch {
    let mut replace = batch();
    for partition in PARTITIONS {
        replace.put(key(partition, "i"), Some(revision), text(value));
    }
    replace
}

async fn applied(storage: &RedisStorage, batch: &Batch) -> Revision {
    assert_eq!(
        storage.commit(&account(), batch).await.unwrap(),
        Committed::Applied
    );
    batch.id().into()
}

async fn values(storage: &RedisStorage) -> Result<Vec<String>, StorageError> {
    let mut query = Query::new();
    query
        .records
        .extend(PARTITIONS.map(|partition| key(partition, "i")));
    let records = storage.load(&account(), &query).await?.records;
    let text = |value: &omemo_storage::Value| String::from_utf8(value.as_bytes().to_vec()).unwrap();
    Ok(records.values().map(|record| text(&record.value)).collect())
}

/// At each step of the way a call is carried out whole or refused whole. One step after the other: hence its length.
#[tokio::test]
async fn account_on_its_way() {
    let cluster = Cluster::start(3, false);
    let storage = open(&cluster).await;
    let mut create = batch();
    for partition in PARTITIONS {
        create.put(key(partition, "i"), None, text("old"));
    }
    create.put(key("emptied", "i"), None, text("old"));
    let created = applied(&storage, &create).await;
    let way = Move::of(&cluster, account().as_str());

    // Everything is still where it was. What needs no new key goes through, also what takes a key away.
    way.begin();
    let mut replace = replacing(created, "begun");
    replace.delete(key("emptied", "i"), Some(created));
    let mut revision = applied(&storage, &replace).await;
    assert_eq!(values(&storage).await.unwrap(), ["begun"; 3]);
    let mut extended = replacing(revision, "torn");
    extended.put(key("new", "i"), None, text("torn"));
    assert_moving(storage.commit(&account(), &extended).await);
    assert_eq!(values(&storage).await.unwrap(), ["begun"; 3]);

    // Somewhere between.
    let keys = way.keys();
    let (last, first) = keys.split_last().unwrap();
    let mut refused = 0;
    for key in first {
        way.take(key);
        assert_moving(storage.commit(&account(), &replacing(revision, "torn")).await);
        assert_moving(storage.commit(&account(), &extended).await);
        assert_moving(storage.purge(&account()).await);
        match values(&storage).await {
            Ok(values) => assert_eq!(values, ["begun"; 3]),
            Err(error) => {
                assert_moving::<()>(Err(error));
                refused += 1;
            }
        }
    }
    // With one and with two of the three partitions taken.
    assert_eq!(refused, 2);

    // Everything is there, and only who asks is let in.
    way.take(last);
    revision = applied(&storage, &replacing(revision, "taken")).await;
    assert_eq!(values(&storage).await.unwrap(), ["taken"; 3]);
    assert_moving(storage.commit(&account(), &extended).await);

    // It has moved.
    way.end();
    assert_eq!(values(&storage).await.unwrap(), ["taken"; 3]);
    assert_eq!(
        storage.commit(&account(), &extended).await.unwrap(),
        Committed::Conflict
    );
    let mut extended = replacing(revision, "moved");
    extended.put(key("new", "i"), None, text("moved"));
    revision = applied(&storage, &extended).await;
    assert_eq!(values(&storage).await.unwrap(), ["moved"; 3]);
    assert_eq!(applied(&storage, &extended).await, revision);
    assert!(value(&storage, &key("emptied", "i")).await.unwrap().is_none());
    assert_eq!(storage.accounts(None, 10).await.unwrap().entries, [account()]);
    storage.purge(&account()).await.unwrap();
    assert!(storage.accounts(None, 10).await.unwrap().entries.is_empty());
}

/// Who has an old map of the cluster is sent on, and learns.
#[tokio::test]
async fn old_map() {
    let cluster = Cluster::start(3, false);
    let (storage, other) = (open(&cluster).await, open(&cluster).await);
    let revision = put(&storage, &key("p", "i"), None, "value").await;
    let way = Move::of(&cluster, account().as_str());
    way.whole();
    assert_eq!(
        value(&other, &key("p", "i")).await.unwrap().as_deref(),
        Some("value")
    );
    put(&storage, &key("p", "i"), Some(revision), "replaced").await;
    assert_eq!(other.accounts(None, 10).await.unwrap().entries, [account()]);

    let calls = way.from.calls("evalsha");
    assert_eq!(
        value(&storage, &key("p", "i")).await.unwrap().as_deref(),
        Some("replaced")
    );
    assert_eq!(
        way.from.calls("evalsha"),
        calls,
        "it asked in the old place again"
    );
}

/// Accounts are written to without end while their slots go to and fro.
#[test]
fn work_during_moves() {
    let cluster = Cluster::start(3, false);
    let options = RedisOptions::new(cluster.url()).unwrap();
    let storage = wait(options.open()).unwrap();
    let workers = [
        Worker::new("romeo@montague.lit"),
        Worker::new("juliet@capulet.lit"),
    ];
    meanwhile(&workers, &storage, || {
        for _ in 0..10 {
            for worker in &workers {
                let way = Move::of(&cluster, worker.account.as_str());
                way.whole();
                way.back().whole();
            }
        }
    });
    for worker in &workers {
        println!(
            "{}: {} commits, {:?}",
            worker.account,
            worker.applied(),
            worker.troubles()
        );
    }
    let fresh = wait(open(&cluster));
    for worker in &workers {
        worker.check(&fresh);
    }
}
