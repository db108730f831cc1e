//! What a commit costs above the barest pipeline that writes the same rows as durably, and what an account takes of the
//! server's memory.
//!
//! `cargo test --release -p omemo-storage-redis --test speed -- --ignored --nocapture --test-threads 1`
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod common;

use std::time::{Duration, Instant};

use common::server::Server;
use common::{account, key};
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Name, Query, Revision, Storage, Value};
use omemo_storage_redis::RedisStorage;
use redis::aio::MultiplexedConnection;

const ROWS: usize = 20_000;
const ROUNDS: usize = 300;
const BYTES: usize = 350;

/// How records lie in partitions, each of which is a hash.
#[derive(Clone, Copy, Debug)]
enum Layout {
    /// Each in a partition of its own, as the sessions with many contacts.
    Apart,
    /// All of a commit in one partition.
    Together,
}

/// Both sides replace the same rows on the same server, in turn.
struct Race {
    bare: MultiplexedConnection,
    storage: RedisStorage,
    account: AccountId,
    layout: Layout,
    revisions: Vec<Option<Revision>>,
    commits: u128,
    random: u64,
}

impl Race {
    async fn new(server: &Server, layout: Layout) -> Self {
        let mut race = Self {
            bare: redis::Client::open(server.url())
                .unwrap()
                .get_multiplexed_async_connection()
                .await
                .unwrap(),
            storage: RedisStorage::open(server.url()).await.unwrap(),
            account: AccountId::new(&format!("{layout:?}@montague.lit")).unwrap(),
            layout,
            revisions: vec![None; ROWS],
            commits: 0,
            random: 1,
        };
        race.bare.set_response_timeout(Duration::from_secs(60));
        for rows in (0..ROWS).collect::<Vec<_>>().chunks(1_000) {
            race.bare_pipeline(rows).await;
            race.guarded(rows).await;
        }
        race
    }

    fn key(&self, row: usize) -> Key {
        match self.layout {
            Layout::Apart => key(&format!("contact/{row}@capulet.lit"), "device/1"),
            Layout::Together => key(
                &format!("contact/{}@capulet.lit", row / 1_000),
                &format!("device/{row}"),
            ),
        }
    }

    /// Ids and places are random, and the same in each run.
    fn random(&mut self) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.random >> 33
    }

    fn new_revision(&mut self) -> [u8; 16] {
        self.commits += 1;
        let random = u128::from(self.random()) << 97 | u128::from(self.random()) << 64;
        (random | self.commits).to_be_bytes()
    }

    fn new_value(&mut self) -> Vec<u8> {
        vec![self.random() as u8; BYTES]
    }

    fn rows(&mut self, count: usize) -> Vec<usize> {
        let first = self.random() as usize;
        match self.layout {
            Layout::Apart => (0..count).map(|n| (first + n * 61) % ROWS).collect(),
            Layout::Together => {
                let partition = first % ROWS / 1_000 * 1_000;
                (0..count).map(|n| partition + (first + n) % 1_000).collect()
            }
        }
    }

    /// One HSET for each hash, with the same revision and value.
    async fn bare_pipeline(&mut self, rows: &[usize]) -> Duration {
        let mut stored = self.new_revision().to_vec();
        stored.extend(self.new_value());
        let keys: Vec<Key> = rows.iter().map(|row| self.key(*row)).collect();
        let begun = Instant::now();
        let mut pipeline = redis::pipe();
        for keys in keys.chunk_by(|one, other| one.partition == other.partition) {
            pipeline
                .cmd("HSET")
                .arg(format!("bare:{}:{}", self.account, keys[0].partition));
            for key in keys {
                pipeline.arg(key.item.as_str()).arg(stored.as_slice());
            }
            pipeline.ignore();
        }
        let _: () = pipeline.query_async(&mut self.bare).await.unwrap();
        begun.elapsed()
    }

    async fn guarded(&mut self, rows: &[usize]) -> Duration {
        let mut batch = Batch::new(CommitId::from_bytes(self.new_revision()));
        let value = Value::from(self.new_value());
        for row in rows {
            batch.put(self.key(*row), self.revisions[*row], value.clone());
        }
        let begun = Instant::now();
        let committed = self.storage.commit(&self.account, &batch).await.unwrap();
        let taken = begun.elapsed();
        assert_eq!(committed, Committed::Applied);
        for row in rows {
            self.revisions[*row] = Some(batch.id().into());
        }
        taken
    }

    async fn load(&self, query: &Query, expected: usize) -> Duration {
        let begun = Instant::now();
        let snapshot = self.storage.load(&self.account, query).await.unwrap();
        let taken = begun.elapsed();
        assert_eq!(snapshot.records.len(), expected);
        taken
    }
}

/// Minimum and median in microseconds.
fn summary(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    (micros(times[0]), micros(times[times.len() / 2]))
}

#[tokio::test]
#[ignore = "a measurement"]
async fn commit_beside_a_bare_pipeline() {
    let server = Server::durable();
    for layout in [Layout::Apart, Layout::Together] {
        let mut race = Race::new(&server, layout).await;
        for count in [1, 10, 100, 1_000] {
            let (mut bare, mut guarded) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let rows = race.rows(count);
                bare.push(race.bare_pipeline(&rows).await);
                guarded.push(race.guarded(&rows).await);
            }
            let ((bare, bare_median), (guarded, guarded_median)) = (summary(bare), summary(guarded));
            println!(
                "{count:5} records {layout:?}: bare {bare:6.0}/{bare_median:6.0} µs, \
                 commit {guarded:6.0}/{guarded_median:6.0} µs, ratio {:.2}/{:.2}",
                guarded / bare,
                guarded_median / bare_median
            );
        }
        for count in [1, 10, 100, 1_000] {
            let rows = race.rows(count);
            let (mut records, mut partitions) = (Query::new(), Query::new());
            for row in &rows {
                let key = race.key(*row);
                partitions.partitions.insert(key.partition.clone());
                records.records.insert(key);
            }
            let whole_count = match layout {
                Layout::Apart => count,
                Layout::Together => 1_000,
            };
            let (mut single, mut whole) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                single.push(race.load(&records, count).await);
                whole.push(race.load(&partitions, whole_count).await);
            }
            println!(
                "{count:5} records {layout:?} loaded: {:.0?} µs; their partitions with {whole_count}: {:.0?} µs",
                summary(single),
                summary(whole)
            );
        }
    }
}

/// An account of one protocol: its own records, 20 pre keys, and sessions with five devices of five contacts.
#[tokio::test]
#[ignore = "a measurement"]
async fn memory_of_an_account() {
    const ACCOUNTS: u32 = 1_000;
    const SESSIONS: usize = 5;
    const PRE_KEYS: usize = 20;
    let server = Server::durable();
    let storage = RedisStorage::open(server.url()).await.unwrap();
    let memory = |key: &str| -> u64 { server.run(&format!("MEMORY USAGE {key} SAMPLES 0")) };
    let used = || -> u64 { server.info("used_memory_dataset").parse().unwrap() };
    let before = used();
    let mut random = 0_u128;
    for n in 0..ACCOUNTS {
        let account = AccountId::new(&format!("romeo{n}@montague.lit")).unwrap();
        random += 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835_u128 >> 3;
        let mut batch = Batch::new(CommitId::from_bytes(random.to_be_bytes()));
        let value = |bytes| Value::from(vec![n as u8; bytes]);
        batch.put(key("own", "device"), None, value(200));
        for pre_key in 0..PRE_KEYS {
            batch.put(key("pre keys", &pre_key.to_string()), None, value(40));
        }
        for contact in 0..SESSIONS {
            let partition = format!("contact/juliet{contact}@capulet.lit");
            batch.put(key(&partition, "contact"), None, value(100));
            batch.put(key(&partition, "device/1234567890"), None, value(BYTES));
        }
        assert_eq!(
            storage.commit(&account, &batch).await.unwrap(),
            Committed::Applied
        );
    }
    println!(
        "{} bytes an account with {PRE_KEYS} pre keys and {SESSIONS} contacts with a session of {BYTES} bytes each, all told",
        (used() - before) / u64::from(ACCOUNTS)
    );
    let base = "omemo:{romeo0@montague.lit}:";
    for key in ["partitions", "commits", "p:own", "p:contact/juliet0@capulet.lit"] {
        println!("{:6} bytes: {key}", memory(&format!("{base}{key}")));
    }
    let spaced: u64 = redis::cmd("MEMORY")
        .arg("USAGE")
        .arg(format!("{base}p:pre keys"))
        .query(&mut server.connection())
        .unwrap();
    println!("{spaced:6} bytes: p:pre keys");
    let name = Name::new("contact/juliet0@capulet.lit").unwrap();
    let encoding: String = server.run(&format!("OBJECT ENCODING {base}p:{name}"));
    println!("a contact's hash is a {encoding}");
    assert!(
        storage
            .records(&account(), None, 1)
            .await
            .unwrap()
            .entries
            .is_empty()
    );
}
