//! Faults at every effect of every operation.
//!
//! A story and a few scenes have three devices of two accounts do everything an account can be asked to do. Each is told
//! once without faults to count its effects, then once for each effect and each way that effect can go wrong: it fails,
//! the process dies before or after it, a commit meets a conflict, or its answer is lost. Whoever is interrupted does what
//! an application would do: it opens its storage again and asks again. At the end
//!
//! - every message must have been read exactly once by every device it was for, and no message key used twice;
//! - nothing may have left before the commit it came from, nor been answered that was not durable;
//! - what only looks must have changed nothing, and what was refused neither;
//! - what is stored must be sound, and the same records must be there, and the same be published, as without the fault;
//! - everybody must still be able to talk to everybody.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support: an assertion is the result"
)]

mod asking;
mod doing;
mod interleaved;
mod ledger;
mod opened;
mod outcome;
mod pairs;
mod prepared;
mod rng;
mod scenes;
mod story;
mod talking;
mod world;

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use omemo_storage::Storage;

pub use interleaved::{Interleaved, interleaved};
pub use opened::{Devices, OfDevice, devices_of};
use prepared::Prepared;
pub use rng::TestRng;
use scenes::Tale;
use world::{KINDS, Told, World};

use crate::panic_message;

/// A way an effect can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not performed, and answered with an error.
    Fails,
    /// The process dies before it is performed.
    CrashBefore,
    /// The process dies when it was performed, before the answer is taken in.
    CrashAfter,
    /// A commit is answered with a conflict that does not exist.
    FalseConflict,
    /// Somebody else writes what the commit relies on, just before it.
    Conflict,
    /// A commit is applied, and its answer lost.
    AppliedAnswerLost,
    /// A commit is lost on its way, and nobody knows.
    RequestLost,
}

impl Fault {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::Fails,
        Self::CrashBefore,
        Self::CrashAfter,
        Self::FalseConflict,
        Self::Conflict,
        Self::AppliedAnswerLost,
        Self::RequestLost,
    ];

    /// Whether it can happen to commits alone.
    pub(crate) const fn is_of_commits(self) -> bool {
        matches!(
            self,
            Self::FalseConflict | Self::Conflict | Self::AppliedAnswerLost | Self::RequestLost
        )
    }
}

/// Where the fault strikes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strike {
    effect: usize,
    fault: Fault,
}

/// How much was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// How many effects the story and the scenes have without faults.
    pub effects: usize,
    /// How many of them are commits.
    pub commits: usize,
    /// How many times the story, or a scene, was told with a fault that struck.
    pub faults: usize,
    /// How many faults there are. Fewer were tried by [`at_part_of_effects`].
    pub possible: usize,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            effects,
            commits,
            faults,
            possible,
        } = self;
        write!(
            f,
            "{faults} of {possible} faults at {effects} effects, {commits} of them commits"
        )
    }
}

/// Tells the story and the scenes with each fault at each effect. `open(run, device)` opens the storage of a device for one telling;
/// asked again with the same arguments, it opens the same storage again. For a storage that has a
/// [`Factory`](crate::storage::Factory), [`devices_of`] is that function. Each telling purges the accounts it has made.
///
/// It takes minutes: there are some 3,100 tellings, each with the cryptography of a real conversation and about 250 calls of
/// the storage. Where calls are slow, [`at_part_of_effects`] divides it between several tests.
///
/// # Panics
///
/// If a telling ends with a message lost, read twice or unreadable, a key used twice, output before its commit, or other
/// records than without the fault; the message names scene, effect and fault.
pub fn at_every_effect<S: Storage>(open: impl Fn(usize, &str) -> S + Sync) -> Tried {
    at_part_of_effects(0, 1, open)
}

/// Tells them with every `parts`th fault, beginning with number `part`: all parts together try what
/// [`at_every_effect`] tries. What it answers tells how many of the faults that makes, and is worth printing.
///
/// # Panics
///
/// As [`at_every_effect`]; and if there is no such part.
pub fn at_part_of_effects<S: Storage>(
    part: usize,
    parts: usize,
    open: impl Fn(usize, &str) -> S + Sync,
) -> Tried {
    assert!(part < parts, "there are {parts} parts");
    let prepared = Prepared::tell(|device: &str| open(0, device));
    let tales = scenes::all();
    let tell = |run: usize, tale: &Tale<S>, strike: Option<Strike>| {
        let open = |device: &str| open(run, device);
        let mut world = match tale.prepared {
            true => World::after(&prepared, open, strike),
            false => World::new(open, strike),
        };
        tale.tell(&mut world);
        world.end()
    };
    let plain: Vec<Told> = tales
        .iter()
        .enumerate()
        .map(|(number, tale)| tell(1 + number, tale, None))
        .collect();
    assert_all_kinds(&plain);
    let mut strikes: Vec<(usize, Strike)> = Vec::new();
    for (number, told) in plain.iter().enumerate() {
        strikes.extend(possible(told).map(|strike| (number, strike)));
    }
    let possible = strikes.len();
    strikes = strikes.into_iter().skip(part).step_by(parts).collect();
    let next = AtomicUsize::new(0);
    let tell_next = || {
        while let Some((index, (number, strike))) = next_of(&next, &strikes) {
            let (tale, without_fault) = (&tales[number], &plain[number]);
            let telling = AssertUnwindSafe(|| {
                let told = tell(1 + plain.len() + index, tale, Some(strike));
                assert!(told.struck, "it did not strike");
                told.outcome.check(&without_fault.outcome);
            });
            if let Err(panic) = catch_unwind(telling) {
                panic!("in {:?} {strike:?}: {}", tale.name, panic_message(&*panic));
            }
        }
    };
    thread::scope(|scope| {
        let tellers = thread::available_parallelism().map_or(1, usize::from);
        let tellers: Vec<_> = (0..tellers).map(|_| scope.spawn(tell_next)).collect();
        for teller in tellers {
            teller.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
    Tried {
        effects: plain.iter().map(|told| told.effects).sum(),
        commits: plain.iter().map(|told| told.commits.len()).sum(),
        faults: strikes.len(),
        possible,
    }
}

/// Every kind of effect has its turn in some tale.
fn assert_all_kinds(plain: &[Told]) {
    let kinds: BTreeSet<_> = plain.iter().flat_map(|told| &told.kinds).collect();
    assert_eq!(
        kinds.len(),
        KINDS,
        "only these kinds of effects are played: {kinds:?}"
    );
}

/// Every fault that can strike, of what was told without one.
fn possible(told: &Told) -> impl Iterator<Item = Strike> {
    (0..told.effects)
        .flat_map(|effect| Fault::ALL.map(|fault| Strike { effect, fault }))
        .filter(|strike| !strike.fault.is_of_commits() || told.commits.contains(&strike.effect))
}

/// The next strike that nobody has taken, with what it strikes, and its number.
fn next_of(next: &AtomicUsize, strikes: &[(usize, Strike)]) -> Option<(usize, (usize, Strike))> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, *strikes.get(index)?))
}
