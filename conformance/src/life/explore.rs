//! Playing many lives, and making one that fails as small as it gets.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use omemo_storage::Storage;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::{Life, MAX_EVENTS, Seen, play, tell};
use crate::panic_message;

/// How much was played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explored {
    /// How many lives.
    pub lives: u64,
    /// How many events they had.
    pub events: u64,
    /// What was seen in them.
    pub seen: Seen,
}

/// A life in which something is wrong, as small as it gets.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// The life.
    pub life: Life,
    /// How many lives were played before it.
    pub lives: u64,
    /// What is wrong.
    pub what: String,
    /// What happened until then.
    pub story: String,
}

/// Plays lives, on each processor some. `seed` makes them repeat. `storages(run)` answers what opens the storages of one
/// life, see [`play`].
///
/// # Errors
///
/// The first [`Discovery`].
pub fn explore<S: Storage, O: Fn(&str) -> S>(
    lives: u32,
    seed: u64,
    storages: impl Fn(usize) -> O + Sync,
) -> Result<Explored, Box<Discovery>> {
    let workers = thread::available_parallelism().map_or(1, usize::from) as u32;
    let (runs, found) = (AtomicUsize::new(0), Mutex::new(None));
    let counted = Mutex::new(Explored::default());
    let work = |worker: u32| {
        let share = lives / workers + u32::from(worker < lives % workers);
        let outcome = runner(share, seed, worker).run(&bytes(), |bytes| {
            if found.lock().unwrap().is_some() {
                // Another worker has found something: the rest need not be played.
                return Ok(());
            }
            let life = Life::decode(&bytes);
            let run = runs.fetch_add(1, Ordering::Relaxed);
            let seen = play(&life, storages(run)).map_err(|finding| TestCaseError::fail(finding.what))?;
            counted.lock().unwrap().count(&life, seen);
            Ok(())
        });
        if let Err(TestError::Fail(_, bytes)) = outcome {
            let run = runs.fetch_add(1, Ordering::Relaxed);
            let lives = counted.lock().unwrap().lives;
            let discovery = retell(Life::decode(&bytes), lives, storages(run));
            found.lock().unwrap().get_or_insert(discovery);
        }
    };
    thread::scope(|scope| {
        for worker in 0..workers {
            let work = &work;
            scope.spawn(move || work(worker));
        }
    });
    match found.into_inner().unwrap() {
        Some(discovery) => Err(Box::new(discovery)),
        None => Ok(counted.into_inner().unwrap()),
    }
}

fn runner(cases: u32, seed: u64, worker: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&worker.to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Bytes of a life; to make one smaller is to leave out events, and to take smaller numbers.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let events = proptest::collection::vec(any::<[u8; super::EVENT_BYTES]>(), 0..=MAX_EVENTS);
    (any::<[u8; 2]>(), events).prop_map(|(head, events)| {
        let mut bytes = head.to_vec();
        bytes.extend(events.as_flattened());
        bytes
    })
}

fn retell<S: Storage>(life: Life, lives: u64, open: impl Fn(&str) -> S) -> Discovery {
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tell(&life, open)));
    let (what, story) = match told {
        Ok(Err(finding)) => (finding.what, finding.story),
        Ok(Ok(_)) => ("it does not repeat".to_owned(), String::new()),
        Err(panic) => (panic_message(&*panic), String::new()),
    };
    Discovery {
        life,
        lives,
        what,
        story,
    }
}

impl Explored {
    fn count(&mut self, life: &Life, seen: Seen) {
        let Self {
            lives,
            events,
            seen: all,
        } = self;
        *lives += 1;
        *events += life.events().len() as u64;
        all.effects += seen.effects;
        all.faults += seen.faults;
        all.read += seen.read;
        all.repeated += seen.repeated;
        all.lost += seen.lost;
        all.greetings += seen.greetings;
        all.deaf += seen.deaf;
        all.unlucky += seen.unlucky;
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lives, events, seen } = self;
        let Seen {
            effects,
            faults,
            read,
            repeated,
            lost,
            greetings,
            deaf,
            unlucky,
        } = seen;
        write!(
            f,
            "{lives} lives of {events} events and {effects} effects: {faults} faults, {read} messages read, \
             {repeated} known for repeated, {lost} excused; of {greetings} at the end {deaf} were excused, {unlucky} of \
             them where the server hands out all pre keys"
        )
    }
}

impl fmt::Display for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            life,
            lives,
            what,
            story,
        } = self;
        writeln!(
            f,
            "{what} (after {lives} lives)\n\nWhat happened:\n{story}\nTo be played again:\n{life}"
        )
    }
}
