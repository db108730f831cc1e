//! What the handles share, the data, and how they reach it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use omemo_storage::{CommitId, ErrorKind, Key, Revision, StorageError, Value};

use super::flaw::Flaw;

/// How many calls of a handle can be under way at once.
const CONNECTIONS: usize = 16;

/// The data of all accounts, and what is wrong with it.
pub(crate) struct Server {
    pub(crate) flaw: Option<Flaw>,
    pub(crate) accounts: Mutex<Accounts>,
    /// How often the server died or cut its connections.
    pub(crate) epoch: AtomicU64,
    /// When connections are being cut: the moment of a commit at which that happens.
    cutting: Mutex<Option<Moment>>,
    /// Commits that wait at that moment.
    waiting: AtomicUsize,
    /// Commits under way.
    pub(crate) committing: AtomicUsize,
}

/// How far a commit is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Unwritten,
    Unanswered,
}

#[derive(Default)]
pub(crate) struct Accounts {
    pub(crate) by_name: BTreeMap<String, Account>,
    /// Commits remembered for all accounts, where a flaw does so.
    pub(crate) known_for_all: Vec<CommitId>,
    /// The account that was written last.
    pub(crate) last: String,
}

#[derive(Clone, Default)]
pub(crate) struct Account {
    pub(crate) records: Records,
    pub(crate) known: Vec<CommitId>,
    /// The last revisions of what was deleted.
    pub(crate) graves: BTreeMap<(String, String), Revision>,
    /// What was there before the last commit, where a flaw needs it.
    pub(crate) before: Option<Box<Account>>,
}

pub(crate) type Records = BTreeMap<(String, String), Stored>;

#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) key: Key,
    pub(crate) revision: Revision,
    pub(crate) value: Value,
}

impl Server {
    pub(crate) fn new(flaw: Option<Flaw>) -> Self {
        Self {
            flaw,
            accounts: Mutex::default(),
            epoch: AtomicU64::new(0),
            cutting: Mutex::new(None),
            waiting: AtomicUsize::new(0),
            committing: AtomicUsize::new(0),
        }
    }

    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts all connections, as it does when it `dies`: by turns before a commit that is under way is written, and after.
    pub(crate) fn cut(&self, dies: bool) {
        let cuts = self.epoch.load(Ordering::SeqCst);
        let moment = if cuts.is_multiple_of(2) {
            Moment::Unwritten
        } else {
            Moment::Unanswered
        };
        *self.cutting.lock().unwrap() = Some(moment);
        for _ in 0..100_000 {
            if self.waiting.load(Ordering::SeqCst) > 0 {
                break;
            }
            thread::sleep(Duration::from_micros(50));
        }
        if dies && self.has(Flaw::RestartForgetsCommits) {
            // Before anybody can send again what was not answered.
            self.forgets_known();
        }
        self.epoch.store(cuts + 1, Ordering::SeqCst);
        *self.cutting.lock().unwrap() = None;
    }

    /// A commit is at this moment: if connections are about to be cut now, it waits for that.
    pub(crate) fn reaches(&self, moment: Moment) {
        let is_cut_now = || *self.cutting.lock().unwrap() == Some(moment);
        if is_cut_now() {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            while is_cut_now() {
                thread::sleep(Duration::from_micros(50));
            }
            self.waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Takes the last commit back.
    pub(crate) fn forgets_last_commit(&self) {
        let mut accounts = self.lock();
        let last = accounts.last.clone();
        if let Some(account) = accounts.by_name.get_mut(&last)
            && let Some(before) = account.before.take()
        {
            *account = *before;
        }
    }

    pub(crate) fn forgets_known(&self) {
        let mut accounts = self.lock();
        accounts
            .by_name
            .values_mut()
            .for_each(|account| account.known.clear());
    }
}

/// The connections of one handle.
pub(crate) struct Pool {
    free: AtomicUsize,
    flaw: Option<Flaw>,
}

impl Pool {
    pub(crate) fn new(flaw: Option<Flaw>) -> Self {
        let free = AtomicUsize::new(CONNECTIONS);
        Self { free, flaw }
    }

    /// Waits for a connection.
    pub(crate) async fn connect(&self) -> Result<Connection<'_>, StorageError> {
        let take = |free: usize| free.checked_sub(1);
        while self
            .free
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_err()
        {
            if self.flaw == Some(Flaw::NobodyWaits) {
                return Err(StorageError::new(ErrorKind::Unavailable, "no connection is free"));
            }
            thread::sleep(Duration::from_micros(200));
            pause().await;
        }
        let (pool, is_given_back) = (self, false);
        Ok(Connection { pool, is_given_back })
    }
}

/// One of the connections.
pub(crate) struct Connection<'a> {
    pool: &'a Pool,
    is_given_back: bool,
}

impl Connection<'_> {
    /// What a call does at its end.
    pub(crate) fn give_back(mut self) {
        self.is_given_back = true;
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        if self.is_given_back || self.pool.flaw != Some(Flaw::DroppedKeepsConnection) {
            self.pool.free.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Lets others go first, once.
pub(crate) async fn pause() {
    let mut paused = false;
    poll_fn(|context| {
        if paused {
            return Poll::Ready(());
        }
        paused = true;
        context.waker().wake_by_ref();
        thread::yield_now();
        Poll::Pending
    })
    .await;
}

/// Leaves others the time to come between.
pub(crate) async fn gap() {
    thread::sleep(Duration::from_micros(50));
    pause().await;
}
