//! A server that dies and comes back, and connections that are cut, while calls are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use omemo_storage::blocking::wait;
use omemo_storage::{AccountId, Committed, Retry, Storage, StorageError};

use super::tenant::Tenant;
use super::together::{all_records, raised, raising, value};
use crate::storage::Factory;

const INTERRUPTIONS: usize = 4;
const WRITERS: usize = 4;
const READERS: usize = 2;
/// How many commits are applied between two interruptions, at least.
const COMMITS_BETWEEN: usize = 25;
/// How often a call is tried again, and how long it waits before: a server has a minute to come back.
const ATTEMPTS: usize = 3_000;
const PAUSE: Duration = Duration::from_millis(20);

/// The server is killed and started again, four times over, while four write and two read on handles that stay open.
/// Calls may fail with an error that says to try again, and a commit may end in an unknown outcome, which sending it
/// again resolves. In the end every commit that was applied is there, once.
pub async fn restarts_lose_nothing_and_handles_recover<F: Factory>(factory: &F) {
    let work = Work::start(factory).await;
    for _ in 0..INTERRUPTIONS {
        work.goes_on();
        factory.restart().await;
    }
    work.goes_on();
    work.ends(factory).await;
}

/// The same with connections that are cut.
pub async fn cut_connections_lose_nothing_and_handles_recover<F: Factory>(factory: &F) {
    let work = Work::start(factory).await;
    for _ in 0..INTERRUPTIONS {
        work.goes_on();
        factory.cut().await;
    }
    work.goes_on();
    work.ends(factory).await;
}

/// Threads that write and read one account until they are told to stop.
struct Work {
    account: AccountId,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    applied: AtomicUsize,
    is_over: AtomicBool,
}

impl Work {
    async fn start<F: Factory>(factory: &F) -> Self {
        let handle = Arc::new(factory.open().await.unwrap());
        let account = Tenant::new(&*handle).account;
        let shared = Arc::<Shared>::default();
        let threads = (0..WRITERS + READERS).map(|n| {
            let (handle, account, shared) = (handle.clone(), account.clone(), shared.clone());
            thread::spawn(move || {
                while !shared.is_over.load(Ordering::SeqCst) {
                    if n < WRITERS {
                        write(&*handle, &account, &shared.applied);
                    } else {
                        read(&*handle, &account);
                    }
                }
            })
        });
        let threads = threads.collect();
        Self {
            account,
            shared,
            threads,
        }
    }

    /// Waits until enough was written. Whether it is, only the writers decide.
    fn goes_on(&self) {
        let enough = self.shared.applied.load(Ordering::SeqCst) + COMMITS_BETWEEN;
        while self.shared.applied.load(Ordering::SeqCst) < enough {
            assert!(
                !self.threads.iter().any(JoinHandle::is_finished),
                "a call failed for good"
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    async fn ends<F: Factory>(self, factory: &F) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let handle = factory.open().await.unwrap();
        let there = raised(&Tenant::named(&handle, self.account.as_str())).await;
        assert_eq!(
            there,
            self.shared.applied.load(Ordering::SeqCst),
            "commits were lost or applied twice"
        );
    }
}

/// Adds one to the records. After an error that promises that nothing was written, it begins anew with another batch.
fn write<S: Storage>(handle: &S, account: &AccountId, applied: &AtomicUsize) {
    let batch = raising(insist(|| wait(handle.load(account, &all_records()))).records);
    let mut unknown = false;
    for _ in 0..ATTEMPTS {
        match wait(handle.commit(account, &batch)) {
            Ok(Committed::Applied) => {
                applied.fetch_add(1, Ordering::SeqCst);
                return;
            }
            Ok(Committed::Conflict) => return,
            Err(error) => match error.retry() {
                Retry::SameBatch => {
                    unknown = true;
                    thread::sleep(PAUSE);
                }
                // This call wrote nothing; whether an earlier one did is as unknown as before.
                Retry::Later if unknown => thread::sleep(PAUSE),
                Retry::Later => return thread::sleep(PAUSE),
                Retry::Never => panic!("{error}"),
            },
        }
    }
    panic!("no outcome after {ATTEMPTS} attempts");
}

fn read<S: Storage>(handle: &S, account: &AccountId) {
    value(&insist(|| wait(handle.load(account, &all_records()))).records);
}

/// Calls until there is an answer.
fn insist<T>(call: impl Fn() -> Result<T, StorageError>) -> T {
    for _ in 0..ATTEMPTS {
        match call() {
            Ok(answer) => return answer,
            Err(error) => assert_ne!(error.retry(), Retry::Never, "{error}"),
        }
        thread::sleep(PAUSE);
    }
    panic!("no answer after {ATTEMPTS} attempts");
}
