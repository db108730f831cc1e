//! The suite is tested: storages that are broken on purpose, each in one way, are caught by the behaviour that is named.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod broken {
    pub(crate) mod admin;
    pub(crate) mod commit;
    pub(crate) mod factory;
    pub(crate) mod flaw;
    pub(crate) mod load;
    pub(crate) mod names;
    pub(crate) mod server;
}

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use broken::factory::Broken;
use broken::flaw::Flaw;
use omemo_conformance::faults::{at_part_of_effects, devices_of, interleaved};
use omemo_conformance::storage::cases::{self, Ended};
use omemo_conformance::storage::{Capabilities, Capability, Factory, OpenedBy, Report, run, run_with};
use omemo_storage::blocking::wait;

/// A behaviour of a broken storage that takes longer is stuck: one that is not takes about a second at most.
const LIMIT: Duration = Duration::from_secs(10);

/// How often the suite may look for a flaw: some show only when a server dies or a connection is cut in the midst of a
/// commit, and no single run can promise that.
const CHANCES: usize = 5;

fn failed(report: &Report) -> BTreeSet<&'static str> {
    report.failed().map(|outcome| outcome.behaviour).collect()
}

/// The storage that bears the flaws is sound without them.
#[test]
fn without_a_flaw_it_passes() {
    let report = run(Broken::new(None));
    println!("{report}");
    assert_eq!(failed(&report), BTreeSet::new());
    let lacking: Vec<Capability> = report.not_applicable().into_keys().collect();
    assert_eq!(lacking, [Capability::Processes]);
}

/// With a flaw, the behaviour that is about it fails (others may too).
#[test]
fn every_flaw_is_caught() {
    let todo = Mutex::new(Flaw::ALL.iter());
    let reports = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let Some(flaw) = todo.lock().unwrap().next() else {
                        break;
                    };
                    let mut failures = BTreeSet::new();
                    for _ in 0..CHANCES {
                        failures = failed(&run_with(Broken::new(Some(*flaw)), LIMIT, |_| {}));
                        if failures.contains(flaw.caught_by()) {
                            break;
                        }
                    }
                    reports.lock().unwrap().push((*flaw, failures));
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap();
    reports.sort_by_key(|(flaw, _)| *flaw);
    println!("{:<32} {:<52} behaviours that failed", "flaw", "caught by");
    let mut escaped = Vec::new();
    for (flaw, failed) in &reports {
        let is_caught = failed.contains(flaw.caught_by());
        let by = if is_caught { flaw.caught_by() } else { "NOT CAUGHT" };
        println!("{:<32} {by:<52} {}", format!("{flaw:?}"), failed.len());
        if !is_caught {
            escaped.push((flaw, flaw.caught_by(), failed));
        }
    }
    let seen: BTreeSet<_> = reports.iter().flat_map(|(_, failed)| failed).collect();
    let all = omemo_conformance::storage::behaviour_names();
    let blind: Vec<_> = all.iter().filter(|behaviour| !seen.contains(behaviour)).collect();
    println!(
        "{} flaws; behaviours that failed for none of them: {blind:?}",
        reports.len()
    );
    assert_eq!(reports.len(), Flaw::ALL.len());
    assert!(escaped.is_empty(), "not caught: {escaped:#?}");
}

/// A factory that lacks `Processes`, and nothing else.
fn without_processes() -> Arc<Broken> {
    Arc::new(Broken::new(None))
}

/// What the macro makes of it, not as tests but to be called. Nothing is stated to be lacking.
mod too_few_stated_to_be_lacking {
    use super::*;

    omemo_conformance::storage_suite!(allow(dead_code), without_processes(), lacks: []);

    #[test]
    #[should_panic(expected = "the factory's capabilities are not as stated: Processes")]
    fn are_noticed() {
        wait(behaviours_are_counted());
    }
}

/// The same, where something is stated to be lacking that is there.
mod too_many_stated_to_be_lacking {
    use super::*;

    omemo_conformance::storage_suite!(allow(dead_code), without_processes(), lacks: [Processes, Cut]);

    #[test]
    #[should_panic(expected = "the factory's capabilities are not as stated: Cut")]
    fn are_noticed() {
        wait(behaviours_are_counted());
    }
}

#[test]
#[should_panic(expected = "the factory declares Cut and does not implement it")]
fn what_is_declared_and_not_implemented_does_not_pass() {
    let open = || async { Broken::new(None).open().await };
    wait(OpenedBy::new(Capabilities::of([Capability::Cut]), open).cut());
}

#[test]
fn what_cannot_be_tried_has_not_passed() {
    let case = cases::killed_processes_lose_nothing_acknowledged(without_processes());
    assert_eq!(wait(case), Ended::NotApplicable(Capability::Processes));
}

/// Two processes that overwrite one another use a message key twice, or lose what they read.
#[test]
#[should_panic(expected = "message key was used for two messages")]
fn interleaved_processes_suffer_from_lost_updates() {
    let factory = Broken::new(Some(Flaw::PresenceIgnored));
    let devices = devices_of(&factory);
    interleaved(|run, device| devices.open(run, device));
}

/// A storage that comes back without its last commit lets a process that died use keys again, or lose messages.
#[test]
#[should_panic(expected = "Strike { effect: ")]
fn processes_that_die_suffer_from_volatile_commits() {
    let factory = Broken::new(Some(Flaw::Volatile));
    let devices = devices_of(&factory);
    at_part_of_effects(0, 20, |run, device| devices.open(run, device));
}

/// The same on the sound storage: it is the flaw that made them fail.
#[test]
fn without_a_flaw_the_protocol_does_not_suffer() {
    let factory = Broken::new(None);
    let devices = devices_of(&factory);
    println!("{}", interleaved(|run, device| devices.open(run, device)));
    println!(
        "{}",
        at_part_of_effects(0, 20, |run, device| devices.open(run, device))
    );
}
