//! How things are timed.

use std::any::Any;
use std::error::Error;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Instant;

use crate::report::{Measured, Times};

/// How often each work of an item is timed, in turn with the others, unless the item says otherwise.
const ROUNDS: usize = 40;

/// Why something could not be measured.
pub(crate) type Failure = Box<dyn Error>;

/// Something to time: prepared anew each round, off the clock, then done a number of times. Yields nanoseconds.
pub(crate) struct Work(Box<dyn FnMut() -> Result<f64, Failure>>);

impl Work {
    /// `prepare` makes what `work` is done on `times` times.
    pub(crate) fn new<S, T>(
        times: u32,
        mut prepare: impl FnMut() -> Result<S, Failure> + 'static,
        mut work: impl FnMut(&mut S) -> Result<T, Failure> + 'static,
    ) -> Self {
        Self::timed_elsewhere(move || {
            let mut state = prepare()?;
            let start = Instant::now();
            for _ in 0..times {
                black_box(work(&mut state)?);
            }
            Ok(start.elapsed().as_secs_f64() * 1e9 / f64::from(times))
        })
    }

    /// `work` says itself how many nanoseconds it took.
    pub(crate) fn timed_elsewhere(work: impl FnMut() -> Result<f64, Failure> + 'static) -> Self {
        Self(Box::new(work))
    }
}

/// Something else to report beside the times, by name.
pub(crate) type Detail = (&'static str, u64);

/// What else is asked for.
type Asked = Box<dyn Fn() -> Result<Vec<Detail>, Failure>>;

/// What is measured, against what.
pub(crate) struct Item {
    name: &'static str,
    ours: Work,
    floor: Work,
    peer: Option<Work>,
    rounds: usize,
    /// The peer has its turn in one round of so many.
    peer_every: usize,
    bars: Bars,
    counts: Vec<Detail>,
    details: Vec<Asked>,
    /// What the work needs to the end, such as a server.
    kept: Vec<Rc<dyn Any>>,
}

/// What an item must reach.
#[derive(Clone, Copy)]
pub(crate) struct Bars {
    /// The most that our time may be, as a multiple of the floor's.
    pub(crate) ratio: f64,
    /// The least that the peer's time should be, as a multiple of ours.
    pub(crate) peer_ratio: Option<f64>,
}

impl Item {
    /// `bar` is the most that `ours` may take, as a multiple of `floor`.
    pub(crate) fn new(name: &'static str, bar: f64, ours: Work, floor: Work) -> Self {
        Self {
            name,
            ours,
            floor,
            peer: None,
            rounds: ROUNDS,
            peer_every: 1,
            bars: Bars {
                ratio: bar,
                peer_ratio: None,
            },
            counts: Vec::new(),
            details: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// `bar` is the least that `peer` should take, as a multiple of ours.
    pub(crate) fn with_peer(mut self, bar: f64, peer: Work) -> Self {
        self.bars.peer_ratio = Some(bar);
        self.peer = Some(peer);
        self
    }

    pub(crate) fn rounds(self, rounds: usize) -> Self {
        Self { rounds, ..self }
    }

    pub(crate) fn peer_every(self, peer_every: usize) -> Self {
        Self { peer_every, ..self }
    }

    /// Adds what was counted beforehand.
    pub(crate) fn with_counts(mut self, counts: Vec<Detail>) -> Self {
        self.counts.extend(counts);
        self
    }

    /// Asks for more once all rounds are done; asked before the first too, so that it can begin anew.
    pub(crate) fn with_details(self, details: impl Fn() -> Vec<Detail> + 'static) -> Self {
        self.checked(move || Ok(details()))
    }

    /// The same, where what was asked for may show that the measurement is worth nothing.
    pub(crate) fn checked(mut self, details: impl Fn() -> Result<Vec<Detail>, Failure> + 'static) -> Self {
        self.details.push(Box::new(details));
        self
    }

    /// Keeps something as long as the work, and drops it afterwards.
    pub(crate) fn keeping(mut self, kept: &Rc<impl Any>) -> Self {
        self.kept.push(kept.clone());
        self
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    fn asked(&self) -> Result<Vec<Detail>, Failure> {
        let mut asked = self.counts.clone();
        for details in &self.details {
            asked.extend(details()?);
        }
        Ok(asked)
    }

    pub(crate) fn measure(mut self) -> Result<Measured, Failure> {
        let (mut ours, mut floor, mut peer) = (Times::default(), Times::default(), Times::default());
        self.asked()?;
        for round in 0..self.rounds {
            ours.push((self.ours.0)()?);
            floor.push((self.floor.0)()?);
            if let Some(work) = &mut self.peer
                && round.is_multiple_of(self.peer_every)
            {
                peer.push((work.0)()?);
            }
        }
        Ok(Measured {
            name: self.name,
            ours,
            floor,
            details: self.asked()?,
            peer: self.peer.map(|_| peer),
            bars: self.bars,
        })
    }
}
