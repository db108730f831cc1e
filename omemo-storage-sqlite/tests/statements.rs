//! A load and a commit are one statement each, whatever they hold: each that is sent crosses to the thread of its connection
//! and back, which takes longer than most of what is done there.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use common::{account, batch, key};
use omemo_storage::blocking::wait;
use omemo_storage::{Batch, Committed, Key, Query, Storage, Value};
use omemo_storage_sqlite::SqliteStorage;
use tracing::Subscriber;
use tracing::span::Id;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// What has arrived at the threads of connections.
static ARRIVED: AtomicUsize = AtomicUsize::new(0);

/// Sees what arrives there: sqlx sends the span of the caller along with everything, and enters it.
struct Arrivals;

impl<S: Subscriber> Layer<S> for Arrivals {
    fn on_enter(&self, _: &Id, _: Context<'_, S>) {
        if thread::current()
            .name()
            .is_some_and(|name| name.starts_with("sqlx-sqlite-worker"))
        {
            ARRIVED.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// What comes of a call, and how much it sends.
fn counted<T>(call: impl Future<Output = T>) -> (T, usize) {
    let before = ARRIVED.load(Ordering::SeqCst);
    let answer = wait(call);
    (answer, ARRIVED.load(Ordering::SeqCst) - before)
}

fn assert_committed_at_once(storage: &SqliteStorage, batch: &Batch, expected: Committed) {
    let (committed, sent) = counted(storage.commit(&account(), batch));
    let records = batch.writes();
    assert_eq!((committed.unwrap(), sent), (expected, 1), "{records} records");
}

fn assert_loaded_at_once(storage: &SqliteStorage, query: &Query, records: usize) {
    let (snapshot, sent) = counted(storage.load(&account(), query));
    assert_eq!((snapshot.unwrap().records.len(), sent), (records, 1));
}

#[test]
fn loads_and_commits_are_one_statement_each() {
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Arrivals)).unwrap();
    let _caller = tracing::info_span!("caller").entered();
    let ((_directory, storage), sent) = counted(common::open());
    assert!(sent > 1, "nothing is seen of the opening");
    for records in [1, 100] {
        let keys: Vec<Key> = (0..records)
            .map(|n| key(&format!("{n} of {records}"), "i"))
            .collect();
        let [mut create, mut change, mut late, mut delete] = [batch(), batch(), batch(), batch()];
        let [mut by_name, mut by_partition] = [Query::new(), Query::new()];
        for key in &keys {
            create.put(key.clone(), None, Value::from(b"first".to_vec()));
            for second in [&mut change, &mut late] {
                let expected = Some(create.id().into());
                second.put(key.clone(), expected, Value::from(b"second".to_vec()));
            }
            delete.delete(key.clone(), Some(change.id().into()));
            by_name.records.insert(key.clone());
            by_partition.partitions.insert(key.partition.clone());
        }
        assert_committed_at_once(&storage, &create, Committed::Applied);
        assert_committed_at_once(&storage, &change, Committed::Applied);
        assert_committed_at_once(&storage, &late, Committed::Conflict);
        assert_loaded_at_once(&storage, &by_name, records);
        assert_loaded_at_once(&storage, &by_partition, records);
        assert_committed_at_once(&storage, &delete, Committed::Applied);
        assert_loaded_at_once(&storage, &by_name, 0);
    }
}
