//! What a commit costs above the barest statement that writes the same rows as durably.
//!
//! `cargo test --release -p omemo-storage-postgres --test speed -- --ignored --nocapture --test-threads 1`
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod common;

use std::time::{Duration, Instant};

use common::Schema;
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Name, Query, Revision, Storage, Value};
use omemo_storage_postgres::PostgresStorage;
use sqlx::PgConnection;

const ROWS: usize = 20_000;
const ROUNDS: usize = 600;
const BYTES: usize = 350;

const TABLE: &str = "CREATE TABLE $.bare (account text NOT NULL, partition text NOT NULL, item text NOT NULL, \
    revision bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (account, partition, item))";

const UPSERT: &str = "INSERT INTO $.bare SELECT $1, partition, item, $2, value \
    FROM unnest($3::text[], $4::text[], $5::bytea[]) AS row (partition, item, value) \
    ON CONFLICT (account, partition, item) DO UPDATE SET revision = excluded.revision, value = excluded.value";

/// Both sides replace the same rows in tables of the same size, in turn.
struct Race {
    schema: Schema,
    bare: PgConnection,
    upsert: String,
    storage: PostgresStorage,
    account: AccountId,
    keys: Vec<Key>,
    revisions: Vec<Option<Revision>>,
    commits: u128,
    random: u64,
}

impl Race {
    async fn new(partitions: u32) -> Self {
        let schema = Schema::new();
        let storage = schema.options().hash_partitions(partitions).open().await.unwrap();
        schema.execute(TABLE).await;
        let keys = (0..ROWS)
            .map(|n| Key::new(&format!("contact/{}@capulet.lit", n / 10), &format!("device/{n}")).unwrap())
            .collect();
        let mut race = Self {
            bare: common::connect().await,
            // `$` stands for the schema, but not before a number.
            upsert: UPSERT.replace("$.", &format!("{}.", schema.name)),
            schema,
            storage,
            account: AccountId::new("romeo@montague.lit").unwrap(),
            keys,
            revisions: vec![None; ROWS],
            commits: 0,
            random: 1,
        };
        let everything: Vec<usize> = (0..ROWS).collect();
        for rows in everything.chunks(4_000) {
            race.bare_upsert(rows).await;
            race.guarded(rows).await;
        }
        race.schema.execute("VACUUM ANALYZE $.bare").await;
        race.schema.execute("VACUUM ANALYZE $.omemo_record").await;
        race
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
        let id = random | u128::from(self.random() as u8) | self.commits << 8;
        id.to_be_bytes()
    }

    fn new_value(&mut self) -> Vec<u8> {
        vec![self.random() as u8; BYTES]
    }

    fn rows(&mut self, count: usize) -> Vec<usize> {
        let first = self.random() as usize;
        (0..count).map(|n| (first + n * 61) % ROWS).collect()
    }

    async fn bare_upsert(&mut self, rows: &[usize]) -> Duration {
        let revision = self.new_revision();
        let value = self.new_value();
        let begun = Instant::now();
        let partitions: Vec<&str> = rows
            .iter()
            .map(|row| self.keys[*row].partition.as_str())
            .collect();
        let items: Vec<&str> = rows.iter().map(|row| self.keys[*row].item.as_str()).collect();
        let values: Vec<&[u8]> = rows.iter().map(|_| value.as_slice()).collect();
        sqlx::query(sqlx::AssertSqlSafe(self.upsert.as_str()))
            .bind(self.account.as_str())
            .bind(revision.as_slice())
            .bind(partitions)
            .bind(items)
            .bind(values)
            .execute(&mut self.bare)
            .await
            .unwrap();
        begun.elapsed()
    }

    async fn guarded(&mut self, rows: &[usize]) -> Duration {
        let mut batch = Batch::new(CommitId::from_bytes(self.new_revision()));
        let value = Value::from(self.new_value());
        for row in rows {
            batch.put(self.keys[*row].clone(), self.revisions[*row], value.clone());
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

    async fn print_commits(&mut self) {
        for count in [1, 10, 100, 1_000] {
            let (mut bare, mut guarded) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let rows = self.rows(count);
                bare.push(self.bare_upsert(&rows).await);
                guarded.push(self.guarded(&rows).await);
            }
            let ((bare, bare_median), (guarded, guarded_median)) = (summary(bare), summary(guarded));
            println!(
                "{count:5} records: bare {bare:6.0}/{bare_median:6.0} µs, \
                 commit {guarded:6.0}/{guarded_median:6.0} µs, ratio {:.2}/{:.2}",
                guarded / bare,
                guarded_median / bare_median
            );
        }
    }

    async fn print_loads(&mut self) {
        for count in [1, 10, 100] {
            let rows = self.rows(count);
            let mut records = Query::new();
            records
                .records
                .extend(rows.iter().map(|row| self.keys[*row].clone()));
            let mut partitions = Query::new();
            let names = (0..count).map(|n| Name::new(&format!("contact/{n}@capulet.lit")).unwrap());
            partitions.partitions.extend(names);
            let (mut single, mut whole) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                single.push(self.load(&records, count).await);
                whole.push(self.load(&partitions, 10 * count).await);
            }
            println!(
                "{count:5} records loaded: {:?} µs; partitions of ten: {:?} µs",
                summary(single),
                summary(whole)
            );
        }
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
async fn commit_beside_a_bare_upsert() {
    let mut race = Race::new(0).await;
    race.print_commits().await;
    race.print_loads().await;
}

#[tokio::test]
#[ignore = "a measurement"]
async fn commit_to_partitions_beside_a_bare_upsert() {
    Race::new(16).await.print_commits().await;
}
