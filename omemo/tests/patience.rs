//! Processes that write to one account at the same time all get on, none much slower than the others; and a storage that
//! does not answer is asked again, but not too often.
//!
//! Time is counted, not measured: calls of the storage and pauses take as long as they are said to take, and whoever is
//! ready first goes on. So the figures are the same on every machine, each time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{jid, open, settings};
use futures_util::future::join_all;
use omemo::local::{Connection, Server};
use omemo::{BareJid, Client, Clock, EncryptRequest, Error, Namespace, Timer, Timestamp};
use omemo_storage::{
    AccountId, Batch, Committed, Cursor, ErrorKind, Metered, Page, Query, RecordInfo, Snapshot, Storage,
    StorageError,
};
use omemo_storage_memory::MemoryStorage;
use rand_core::{TryCryptoRng, TryRng};

const WORKERS: usize = 8;

/// How many messages they send together.
const MESSAGES: usize = 800;

/// The least that one of them may send: a third of its share.
const LEAST: usize = MESSAGES / WORKERS / 3;

/// No message takes longer than so many of a worker that is alone, four ways each, and 50 ms of pauses.
const MOST: u32 = 100;

/// Time that passes when everybody waits for it.
#[derive(Clone, Default)]
struct Time(Arc<Mutex<Passing>>);

#[derive(Default)]
struct Passing {
    now: Duration,
    /// Who waits for when, in the order they began.
    waiting: BTreeMap<(Duration, u64), Waker>,
    begun: u64,
}

impl Time {
    fn now(&self) -> Duration {
        self.0.lock().unwrap().now
    }

    fn pass(&self, time: Duration) -> impl Future<Output = ()> + Send + use<> {
        let passing = Arc::clone(&self.0);
        let mut place = None;
        poll_fn(move |context| {
            let mut passing = passing.lock().unwrap();
            let (until, number) = *place.get_or_insert_with(|| {
                passing.begun += 1;
                (passing.now + time, passing.begun)
            });
            if passing.now >= until {
                return Poll::Ready(());
            }
            passing.waiting.insert((until, number), context.waker().clone());
            Poll::Pending
        })
    }

    /// Polls a future to its end; time passes while it waits.
    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            let mut passing = self.0.lock().unwrap();
            let ((until, _), waker) = passing.waiting.pop_first().unwrap();
            passing.now = until;
            drop(passing);
            waker.wake();
        }
    }
}

impl Timer for Time {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.pass(duration))
    }
}

impl Clock for Time {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.now().as_secs())
    }
}

/// A storage that is some way off: a call takes as long to get there as its answer takes to come back.
struct Distant {
    inner: MemoryStorage,
    time: Time,
    way: Duration,
    /// Until when commits are lost on their way.
    loses_until: Mutex<Duration>,
}

impl Distant {
    fn new(inner: &MemoryStorage, time: &Time, way: Duration) -> Self {
        Self {
            inner: inner.clone(),
            time: time.clone(),
            way,
            loses_until: Mutex::default(),
        }
    }
}

impl Storage for Distant {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        self.time.pass(self.way).await;
        let snapshot = self.inner.load(account, query).await;
        self.time.pass(self.way).await;
        snapshot
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        self.time.pass(self.way).await;
        if self.time.now() < *self.loses_until.lock().unwrap() {
            return Err(StorageError::new(ErrorKind::OutcomeUnknown, "nobody answers"));
        }
        let committed = self.inner.commit(account, batch).await;
        self.time.pass(self.way).await;
        committed
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        self.inner.accounts(after, limit).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        self.inner.records(account, after, limit).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.inner.purge(account).await
    }
}

/// The same bytes for the same seed (SplitMix64).
struct Seeded(u64);

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| number as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(mixed ^ mixed >> 31)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let random = self.try_next_u64()?.to_be_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Seeded {}

type Worker = Client<Metered<Distant>, Connection>;

/// What became of a crowd.
#[derive(Debug)]
struct Crowd {
    /// How many messages each worker has sent.
    sent: Vec<usize>,
    conflicts: u64,
    /// How long the slowest message took.
    slowest: Duration,
}

const ROMEO: &str = "romeo@montague.lit";

fn worker(server: &Server, storage: Distant, rng: Seeded) -> Worker {
    let time = storage.time.clone();
    let settings = settings(jid(ROMEO));
    let connection = server.connect(&jid(ROMEO), "server");
    let builder = Client::builder(settings, Metered::new(storage), connection)
        .timer(time.clone())
        .clock(time.clone())
        .rng(rng);
    time.run(builder.catch_up(false).open()).unwrap()
}

fn message(to: &BareJid) -> EncryptRequest {
    EncryptRequest::new(vec![to.clone()], Namespace::OMEMO_2, b"hi".to_vec())
}

/// Processes of one account, which send messages as fast as they can until enough are sent.
fn crowd(way: Duration, seed: u64) -> Crowd {
    let (server, time, inner) = (Server::new(), Time::default(), MemoryStorage::new());
    let juliet = open(&server, "juliet@capulet.lit", "phone").jid;
    let workers: Vec<Worker> = (0..WORKERS as u64)
        .map(|number| {
            let rng = Seeded(seed << 32 | number << 24);
            worker(&server, Distant::new(&inner, &time, way), rng)
        })
        .collect();
    for worker in &workers {
        let _ = time.run(worker.encrypt(message(&juliet))).unwrap();
        worker.storage().take();
    }

    let left = Cell::new(MESSAGES);
    let work = workers.iter().map(|worker| async {
        let (mut sent, mut slowest) = (0, Duration::ZERO);
        while left.get() > 0 {
            left.set(left.get() - 1);
            let begun = time.now();
            let _ = worker.encrypt(message(&juliet)).await?;
            slowest = slowest.max(time.now() - begun);
            sent += 1;
        }
        Ok::<_, Error>((sent, slowest))
    });
    let ended: Result<Vec<_>, _> = time.run(join_all(work)).into_iter().collect();
    let ended = ended.unwrap();
    Crowd {
        sent: ended.iter().map(|(sent, _)| *sent).collect(),
        conflicts: workers
            .iter()
            .map(|worker| worker.storage().take().conflicts)
            .sum(),
        slowest: ended.iter().map(|(_, slowest)| *slowest).max().unwrap(),
    }
}

#[test]
fn each_of_eight_workers_on_one_account_sends_a_third_of_its_share_at_least() {
    for way in [50, 250, 1_000, 5_000].map(Duration::from_micros) {
        for seed in 0..3 {
            let crowd = crowd(way, seed);
            println!("{way:?} to the storage: {crowd:?}");
            assert_eq!(crowd.sent.iter().sum::<usize>(), MESSAGES);
            assert!(crowd.sent.iter().all(|sent| *sent >= LEAST), "{crowd:?}");
            assert!(
                crowd.slowest < MOST * 4 * way + Duration::from_millis(50),
                "{crowd:?}"
            );
            // They did get in each other's way.
            assert!(crowd.conflicts > 100, "{crowd:?}");
        }
    }
}

/// A worker without others, and whom it writes to.
fn alone(way: Duration) -> (Time, Worker, BareJid) {
    let (server, time) = (Server::new(), Time::default());
    let juliet = open(&server, "juliet@capulet.lit", "phone").jid;
    let worker = worker(
        &server,
        Distant::new(&MemoryStorage::new(), &time, way),
        Seeded(0),
    );
    let _ = time.run(worker.encrypt(message(&juliet))).unwrap();
    worker.storage().take();
    (time, worker, juliet)
}

#[test]
fn who_is_alone_never_waits() {
    let way = Duration::from_millis(1);
    let (time, worker, juliet) = alone(way);
    let begun = time.now();
    for _ in 0..10 {
        let _ = time.run(worker.encrypt(message(&juliet))).unwrap();
    }
    // A load and a commit each, there and back.
    assert_eq!(time.now() - begun, 40 * way);
}

#[test]
fn a_commit_that_is_lost_again_and_again_goes_through_in_the_end() {
    let (time, worker, juliet) = alone(Duration::from_millis(1));
    let back = time.now() + Duration::from_secs(60);
    *worker.storage().inner().loses_until.lock().unwrap() = back;
    let _ = time.run(worker.encrypt(message(&juliet))).unwrap();
    // At most the longest pause after the storage is back.
    assert!(
        time.now() < back + Duration::from_millis(4_200),
        "{:?}",
        time.now() - back
    );
    let commits = worker.storage().take().commits;
    assert!((15..60).contains(&commits), "{commits} times in a minute");
}

/// The same call goes on with it.
#[test]
fn a_commit_that_is_lost_for_five_minutes_is_given_back_to_the_caller() {
    let (time, worker, juliet) = alone(Duration::from_millis(1));
    let begun = time.now();
    let back = begun + Duration::from_secs(400);
    *worker.storage().inner().loses_until.lock().unwrap() = back;
    let error = time.run(worker.encrypt(message(&juliet))).unwrap_err();
    assert!(matches!(error, Error::Storage(error) if error.kind() == ErrorKind::OutcomeUnknown));
    let tried = (time.now() - begun).as_secs();
    assert!((300..306).contains(&tried), "{tried} seconds");
    time.run(time.pass(back - time.now()));
    worker.storage().take();
    let _ = time.run(worker.encrypt(message(&juliet))).unwrap();
    let counts = worker.storage().take();
    assert_eq!((counts.loads, counts.commits), (0, 1));
}
