//! Hands at work while something happens.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::hand::{Hand, Local, PATIENCE};
use super::stage::Stage;

/// Sets its flag when it goes, also where a test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Hands at work.
pub(crate) struct Work<'a> {
    stages: Vec<&'a Stage>,
    /// How many turns each hand has had.
    turns: Vec<AtomicUsize>,
    is_over: AtomicBool,
    /// Set when a hand ends, which it only does before time if it has failed.
    has_failed: AtomicBool,
}

impl Work<'_> {
    /// Waits until every stage has gone on.
    pub(crate) fn go_on(&self) {
        let progress = || self.stages.iter().map(|stage| stage.progress());
        let before: Vec<usize> = progress().collect();
        self.until("the work goes on", || {
            progress().zip(&before).all(|(now, before)| now >= before + 10)
        });
    }

    /// Waits until something is so, unless a hand fails.
    pub(crate) fn until(&self, what: &str, mut so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !so() {
            assert!(!self.has_failed.load(Ordering::SeqCst), "a hand has failed");
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The fewest and the most turns that a hand has had.
    pub(crate) fn turns(&self) -> (usize, usize) {
        let turns = || self.turns.iter().map(|turns| turns.load(Ordering::SeqCst));
        (turns().min().unwrap(), turns().max().unwrap())
    }

    /// Works until it is over. Only who fails ends before.
    fn work(&self, stage: &Stage, hand: &mut impl Hand, turns: &AtomicUsize) {
        let failed = Over(&self.has_failed);
        while !self.is_over.load(Ordering::SeqCst) {
            stage.turn(hand);
            turns.fetch_add(1, Ordering::SeqCst);
        }
        drop(failed);
    }
}

/// Lets two clients of each stage work while something happens.
pub(crate) fn meanwhile(stages: &[&Stage], happens: impl FnOnce(&Work<'_>)) {
    let hands: Vec<(&Stage, Local)> = stages
        .iter()
        .flat_map(|&stage| [(stage, stage.hand()), (stage, stage.hand())])
        .collect();
    at_once(hands, |work| {
        work.go_on();
        happens(work);
        work.go_on();
    });
}

/// Lets hands work until `happens` ends.
pub(crate) fn at_once<H: Hand + Send>(hands: Vec<(&Stage, H)>, happens: impl FnOnce(&Work<'_>)) {
    let work = Work {
        stages: hands.iter().map(|(stage, _)| *stage).collect(),
        turns: hands.iter().map(|_| AtomicUsize::new(0)).collect(),
        is_over: AtomicBool::new(false),
        has_failed: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        let over = Over(&work.is_over);
        for ((stage, mut hand), turns) in hands.into_iter().zip(&work.turns) {
            let work = &work;
            scope.spawn(move || work.work(stage, &mut hand, turns));
        }
        happens(&work);
        drop(over);
    });
}

/// A moment of at most so many milliseconds.
pub(crate) fn moment(most: u64) {
    thread::sleep(Duration::from_micros(
        crate::places::redis::random() % (most * 1000),
    ));
}
