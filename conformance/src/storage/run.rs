//! The whole suite, for those without a test harness.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use omemo_storage::blocking::wait;

use super::cases::{self, Case};
use super::factory::{Capability, Factory};
use super::report::{Outcome, Report, Verdict};
use super::tidy::Tidy;
use crate::panic_message;

/// How long [`run`] lets a behaviour take before it is taken for stuck: 10 minutes.
pub const TIME_LIMIT: Duration = Duration::from_secs(600);

/// Runs every behaviour on the factory, one after the other. See [`run_with`].
pub fn run<F: Factory + 'static>(factory: F) -> Report {
    run_with(factory, TIME_LIMIT, |_| {})
}

/// Runs every behaviour on the factory, one after the other, and tells how each went as it ends. What a behaviour has
/// written is purged, whether it passed or failed. One that takes longer than `limit` has failed; its thread is left
/// behind.
///
/// Call it from blocking code. A behaviour that fails panics on a thread of its own: the program's panic hook hears of
/// it and usually prints where.
pub fn run_with<F: Factory + 'static>(factory: F, limit: Duration, mut told: impl FnMut(&Outcome)) -> Report {
    let factory = Arc::new(factory);
    let outcomes = cases::all::<Arc<F>>().into_iter().map(|case| {
        let behaviour = case.name;
        let verdict = match case.lacks(&factory) {
            Some(lacking) => Verdict::NotApplicable(lacking),
            None => try_out(case, factory.clone(), limit),
        };
        let outcome = Outcome { behaviour, verdict };
        told(&outcome);
        outcome
    });
    let outcomes = outcomes.collect();
    Report { outcomes }
}

/// The names of all behaviours, in the order of a [`Report`].
pub fn behaviour_names() -> Vec<&'static str> {
    cases::NAMES.to_vec()
}

fn try_out<F: Factory + 'static>(case: Case<F>, factory: F, limit: Duration) -> Verdict {
    let (ended, end) = channel();
    let name = case.name.to_owned();
    let spawned = thread::Builder::new().name(name).spawn(move || {
        let tidy = Tidy::new(factory);
        let acted = catch_unwind(AssertUnwindSafe(|| wait((case.act)(&tidy))));
        let cleaned = catch_unwind(AssertUnwindSafe(|| wait(tidy.clean())));
        // Nobody listens any more if the time is over.
        let _ = ended.send(acted.and(cleaned));
    });
    if let Err(error) = spawned {
        return Verdict::Failed(format!("no thread for it: {error}"));
    }
    match end.recv_timeout(limit) {
        Ok(Ok(())) => Verdict::Passed,
        Ok(Err(panic)) => Verdict::Failed(panic_message(&*panic)),
        Err(RecvTimeoutError::Timeout) => Verdict::Failed(format!("has not ended after {limit:?}")),
        Err(RecvTimeoutError::Disconnected) => Verdict::Failed("ended without an answer".to_owned()),
    }
}

/// Compares what the factory lacks with what it is stated to lack, and prints how many behaviours are run and how many
/// are not applicable. [`storage_suite`](crate::storage_suite) makes a test of it.
///
/// # Panics
///
/// If the two are not the same.
pub fn count<F: Factory>(factory: &F, lacking: &[Capability]) {
    let capabilities = factory.capabilities();
    for capability in Capability::ALL {
        assert_eq!(
            capabilities.has(capability),
            !lacking.contains(&capability),
            "the factory's capabilities are not as stated: {capability}"
        );
    }
    let cases = cases::all::<F>();
    let absent = cases.iter().filter(|case| case.lacks(factory).is_some()).count();
    let run = cases.len() - absent;
    println!("{run} behaviours run, {absent} not applicable for want of {lacking:?}");
}
