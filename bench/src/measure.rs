//! How things are timed.

use std::error::Error;
use std::fmt;
use std::hint::black_box;
use std::time::Instant;

/// How often each work of an item is timed, in turn with the others.
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
        Self(Box::new(move || {
            let mut state = prepare()?;
            let start = Instant::now();
            for _ in 0..times {
                black_box(work(&mut state)?);
            }
            Ok(start.elapsed().as_secs_f64() * 1e9 / f64::from(times))
        }))
    }
}

/// What is measured, against what.
pub(crate) struct Item {
    name: &'static str,
    ours: Work,
    floor: Work,
    peer: Option<Work>,
}

impl Item {
    pub(crate) fn new(name: &'static str, ours: Work, floor: Work) -> Self {
        Self {
            name,
            ours,
            floor,
            peer: None,
        }
    }

    pub(crate) fn with_peer(self, peer: Work) -> Self {
        Self {
            peer: Some(peer),
            ..self
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn measure(self) -> Result<Measured, Failure> {
        let Self {
            name,
            mut ours,
            mut floor,
            mut peer,
        } = self;
        let mut measured = Measured {
            name,
            ns: f64::MAX,
            floor_ns: f64::MAX,
            peer_ns: None,
        };
        for _ in 0..ROUNDS {
            measured.ns = measured.ns.min((ours.0)()?);
            measured.floor_ns = measured.floor_ns.min((floor.0)()?);
            if let Some(peer) = &mut peer {
                let ns = (peer.0)()?;
                measured.peer_ns = Some(measured.peer_ns.map_or(ns, |least| ns.min(least)));
            }
        }
        Ok(measured)
    }
}

/// The least times of all rounds, in nanoseconds.
pub(crate) struct Measured {
    name: &'static str,
    ns: f64,
    floor_ns: f64,
    peer_ns: Option<f64>,
}

impl Measured {
    fn ratio(&self) -> f64 {
        self.ns / self.floor_ns
    }

    pub(crate) fn json(&self) -> String {
        let Self {
            name,
            ns,
            floor_ns,
            peer_ns,
        } = self;
        let ratio = self.ratio();
        let peer = peer_ns.map_or_else(|| "null".to_owned(), |ns| format!("{ns:.0}"));
        format!(
            r#"{{"name":"{name}","ns":{ns:.0},"floor_ns":{floor_ns:.0},"ratio":{ratio:.3},"peer_ns":{peer}}}"#
        )
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            ns,
            floor_ns,
            peer_ns,
        } = self;
        let ratio = self.ratio();
        write!(
            f,
            "{name:<28} {ns:>10.0} ns {ratio:>6.2} x floor ({floor_ns:.0} ns)"
        )?;
        if let Some(peer_ns) = peer_ns {
            write!(f, " {:>6.2} x peer ({peer_ns:.0} ns)", ns / peer_ns)?;
        }
        Ok(())
    }
}
