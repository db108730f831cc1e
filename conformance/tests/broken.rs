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
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use broken::factory::Broken;
use broken::flaw::Flaw;
use omemo_conformance::storage::{Capability, Report, run, run_with};

/// A behaviour of a broken storage that takes longer is stuck: one that is not takes about a second at most.
const LIMIT: Duration = Duration::from_secs(10);

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
                    let failed = failed(&run_with(Broken::new(Some(*flaw)), LIMIT, |_| {}));
                    reports.lock().unwrap().push((*flaw, failed));
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
    assert_eq!(reports.len(), Flaw::ALL.len());
    assert!(escaped.is_empty(), "not caught: {escaped:#?}");
}
