//! What a commit costs above the barest statement that writes the same rows as durably.
//!
//! `cargo test --release -p omemo-storage-sqlite --test speed -- --ignored --nocapture`
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

use std::time::{Duration, Instant};

use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Name, Query, Revision, Storage, Value};
use omemo_storage_sqlite::SqliteStorage;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions};

const ROWS: usize = 20_000;
const ROUNDS: usize = 300;
const BYTES: usize = 350;

/// Both sides replace the same rows in files of the same size, in turn.
struct Race {
    bare: SqliteConnection,
    storage: SqliteStorage,
    account: AccountId,
    keys: Vec<Key>,
    revisions: Vec<Revision>,
    commits: u128,
    random: u64,
}

impl Race {
    async fn new(directory: &std::path::Path) -> Self {
        let mut bare = SqliteConnectOptions::new()
            .filename(directory.join("bare.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging()
            .connect()
            .await
            .unwrap();
        let table = "CREATE TABLE record (account TEXT NOT NULL, partition TEXT NOT NULL, item TEXT NOT NULL, \
            revision BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (account, partition, item))";
        sqlx::query(table).execute(&mut bare).await.unwrap();
        let keys = (0..ROWS)
            .map(|n| Key::new(&format!("contact/{}@capulet.lit", n / 10), &format!("device/{n}")).unwrap())
            .collect();
        let mut race = Self {
            bare,
            storage: SqliteStorage::open(directory.join("omemo.db")).await.unwrap(),
            account: AccountId::new("romeo@montague.lit").unwrap(),
            keys,
            revisions: Vec::new(),
            commits: 0,
            random: 1,
        };
        let everything: Vec<usize> = (0..ROWS).collect();
        for rows in everything.chunks(4_000) {
            race.bare_upsert(rows).await;
            race.guarded(rows).await;
        }
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
        (random | self.commits).to_be_bytes()
    }

    fn new_value(&mut self) -> Vec<u8> {
        vec![self.random() as u8; BYTES]
    }

    fn rows(&mut self, count: usize) -> Vec<usize> {
        let first = self.random() as usize;
        (0..count).map(|n| (first + n * 61) % ROWS).collect()
    }

    async fn bare_upsert(&mut self, rows: &[usize]) -> Duration {
        let values = vec!["(?,?,?,?,?)"; rows.len()].join(",");
        let upsert = format!(
            "INSERT INTO record VALUES {values} \
             ON CONFLICT DO UPDATE SET revision = excluded.revision, value = excluded.value"
        );
        // SQLite does not write a row that stays the same.
        let revision = self.new_revision();
        let value = self.new_value();
        let begun = Instant::now();
        let mut query = sqlx::query(AssertSqlSafe(upsert));
        for row in rows {
            query = query
                .bind(self.account.as_str())
                .bind(self.keys[*row].partition.as_str())
                .bind(self.keys[*row].item.as_str())
                .bind(revision.as_slice())
                .bind(value.as_slice());
        }
        query.execute(&mut self.bare).await.unwrap();
        begun.elapsed()
    }

    async fn guarded(&mut self, rows: &[usize]) -> Duration {
        let mut batch = Batch::new(CommitId::from_bytes(self.new_revision()));
        let value = Value::from(self.new_value());
        for row in rows {
            batch.put(
                self.keys[*row].clone(),
                self.revisions.get(*row).copied(),
                value.clone(),
            );
        }
        let begun = Instant::now();
        let committed = self.storage.commit(&self.account, &batch).await.unwrap();
        let taken = begun.elapsed();
        assert_eq!(committed, Committed::Applied);
        self.revisions.resize(
            self.revisions.len().max(rows[rows.len() - 1] + 1),
            batch.id().into(),
        );
        for row in rows {
            self.revisions[*row] = batch.id().into();
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
async fn commit_beside_a_bare_upsert() {
    let directory = tempfile::tempdir().unwrap();
    let mut race = Race::new(directory.path()).await;
    for count in [1, 10, 100, 1_000] {
        let (mut bare, mut guarded) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let rows = race.rows(count);
            bare.push(race.bare_upsert(&rows).await);
            guarded.push(race.guarded(&rows).await);
        }
        let ((bare, bare_median), (guarded, guarded_median)) = (summary(bare), summary(guarded));
        println!(
            "{count:5} records: bare {bare:6.0}/{bare_median:6.0} µs, commit {guarded:6.0}/{guarded_median:6.0} µs, \
             ratio {:.2}/{:.2}",
            guarded / bare,
            guarded_median / bare_median
        );
    }
    for count in [1, 10, 100] {
        let rows = race.rows(count);
        let mut records = Query::new();
        records
            .records
            .extend(rows.iter().map(|row| race.keys[*row].clone()));
        let mut partitions = Query::new();
        let names = (0..count).map(|n| Name::new(&format!("contact/{n}@capulet.lit")).unwrap());
        partitions.partitions.extend(names);
        let (mut single, mut whole) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            single.push(race.load(&records, count).await);
            whole.push(race.load(&partitions, 10 * count).await);
        }
        println!(
            "{count:5} records loaded: {:?} µs; partitions of ten: {:?} µs",
            summary(single),
            summary(whole)
        );
    }
}
