//! Somebody who works on an account whatever happens to the servers, and knows what was acknowledged.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use omemo_storage::blocking::wait;
use omemo_storage::{AccountId, Batch, Committed, ErrorKind, Key, Query, Retry, Storage, StorageError};

use super::{batch, key, text};

/// How long a failover may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// In each of some partitions there is the number of the last commit, and one record for each commit.
pub(crate) struct Worker {
    pub(crate) account: AccountId,
    applied: AtomicUsize,
    unknown: AtomicUsize,
    unavailable: AtomicUsize,
}

const PARTITIONS: usize = 3;

impl Worker {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            account: AccountId::new(name).unwrap(),
            applied: AtomicUsize::new(0),
            unknown: AtomicUsize::new(0),
            unavailable: AtomicUsize::new(0),
        }
    }

    /// How many commits were acknowledged.
    pub(crate) fn applied(&self) -> usize {
        self.applied.load(Ordering::SeqCst)
    }

    /// How many attempts ended in an unknown outcome, and how many were not possible.
    pub(crate) fn troubles(&self) -> (usize, usize) {
        (
            self.unknown.load(Ordering::SeqCst),
            self.unavailable.load(Ordering::SeqCst),
        )
    }

    /// Commits one after the other until told to stop.
    pub(crate) fn work<S: Storage>(&self, storage: &S, is_over: &AtomicBool) {
        while !is_over.load(Ordering::SeqCst) {
            let batch = self.next(storage);
            assert_eq!(
                self.insist(|| wait(storage.commit(&self.account, &batch))),
                Committed::Applied
            );
            self.applied.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Nobody else works on the account: what is there is exactly what was acknowledged.
    fn next<S: Storage>(&self, storage: &S) -> Batch {
        let applied = self.applied();
        let mut query = Query::new();
        query.records.extend(counters());
        let found = self.insist(|| wait(storage.load(&self.account, &query))).records;
        let mut batch = batch();
        for counter in counters() {
            let record = found.get(&counter);
            let number = record.map_or(0, |record| {
                let text = std::str::from_utf8(record.value.as_bytes()).unwrap();
                text.parse().unwrap()
            });
            assert_eq!(number, applied, "of {}", self.account);
            let expected = record.map(|record| record.revision);
            batch.put(counter, expected, text(&(applied + 1).to_string()));
        }
        batch.put(key("all", &(applied + 1).to_string()), None, text("here"));
        batch
    }

    /// Everything acknowledged is there, and nothing else.
    pub(crate) fn check<S: Storage>(&self, storage: &S) {
        self.next(storage);
        let mut query = Query::new();
        query.partitions.insert(key("all", "i").partition);
        let found = self.insist(|| wait(storage.load(&self.account, &query))).records;
        assert_eq!(found.len(), self.applied(), "of {}", self.account);
    }

    /// Calls until there is an answer, with the very same batch.
    fn insist<T>(&self, call: impl Fn() -> Result<T, StorageError>) -> T {
        let begun = Instant::now();
        loop {
            let error = match call() {
                Ok(answer) => return answer,
                Err(error) => error,
            };
            assert_ne!(error.retry(), Retry::Never, "{error:?}");
            match error.kind() {
                ErrorKind::OutcomeUnknown => self.unknown.fetch_add(1, Ordering::SeqCst),
                _ => self.unavailable.fetch_add(1, Ordering::SeqCst),
            };
            assert!(begun.elapsed() < PATIENCE, "no answer: {error:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn counters() -> [Key; PARTITIONS] {
    [key("a", "counter"), key("b", "counter"), key("c", "counter")]
}

/// Ends the work also where a test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Lets the workers work while something happens, and for a while before and after: until each has gone on.
pub(crate) fn meanwhile<S: Storage>(workers: &[Worker], storage: &S, happens: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let over = Over(&is_over);
        let threads: Vec<_> = workers
            .iter()
            .map(|worker| scope.spawn(|| worker.work(storage, &is_over)))
            .collect();
        let go_on = || {
            let before: Vec<usize> = workers.iter().map(Worker::applied).collect();
            let begun = Instant::now();
            while workers
                .iter()
                .zip(&before)
                .any(|(worker, before)| worker.applied() < before + 20)
            {
                assert!(begun.elapsed() < PATIENCE, "the work does not go on");
                if threads.iter().any(thread::ScopedJoinHandle::is_finished) {
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
        };
        go_on();
        happens();
        go_on();
        drop(over);
    });
    for worker in workers {
        worker.check(storage);
    }
}
