//! One suite on every storage of this project, each plain, sealed and cached, as a table.
//!
//! ```text
//! cargo test -p omemo-conformance --test every_storage -- --nocapture
//! ```
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

mod faults;
#[path = "../places/mod.rs"]
mod places;
mod subject;

use std::sync::Mutex;
use std::thread;

use omemo_conformance::storage::{Report, Verdict, behaviour_names, run, write_until_killed};
use omemo_storage::blocking::wait;
use places::{Place, Server, Wrapping, say};
use subject::Subject;

#[test]
#[ignore = "is run by another test, in a process of its own"]
fn part_that_writes_until_killed() {
    let place = std::env::var(subject::PLACE).unwrap();
    let wrapping = Wrapping::named(&std::env::var(subject::WRAPPING).unwrap());
    let storage = wait(Place::named(&place).open()).unwrap();
    write_until_killed(&wrapping.wrap(storage));
}

#[test]
fn every_storage_passes_one_suite() {
    let subjects: Vec<(&str, Wrapping)> = Server::NAMES
        .into_iter()
        .flat_map(|server| Wrapping::ALL.map(|wrapping| (server, wrapping)))
        .collect();
    let (waiting, reports) = (Mutex::new(subjects.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((server, wrapping)) = next(&waiting) {
                    let report = run(Subject::new(server, wrapping));
                    reports.lock().unwrap().push((server, wrapping, report));
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap();
    reports.sort_by_key(|(server, wrapping, _)| {
        subjects
            .iter()
            .position(|subject| subject == &(*server, *wrapping))
    });
    print(&reports);
    assert_eq!(reports.len(), subjects.len());
    for (server, wrapping, report) in &reports {
        let behaviours: Vec<_> = report.outcomes.iter().map(|outcome| outcome.behaviour).collect();
        assert_eq!(behaviours, behaviour_names());
        assert!(report.is_success(), "{server}, {wrapping:?}:\n{report}");
        let outcomes = report.outcomes.iter();
        let skipped: Vec<_> = outcomes
            .filter(|outcome| matches!(outcome.verdict, Verdict::NotApplicable(_)))
            .map(|outcome| outcome.behaviour)
            .collect();
        assert_eq!(skipped, not_applicable(server), "{server}, {wrapping:?}");
    }
}

/// What cannot be tried there: memory is in one process, and SQLite has no server to end and no connection to cut.
fn not_applicable(server: &str) -> &'static [&'static str] {
    match server {
        "memory" => &[
            "cut_connections_lose_nothing_and_handles_recover",
            "killed_processes_lose_nothing_acknowledged",
            "restarts_lose_nothing_and_handles_recover",
        ],
        "SQLite" => &[
            "cut_connections_lose_nothing_and_handles_recover",
            "restarts_lose_nothing_and_handles_recover",
        ],
        "PostgreSQL" | "Redis" | "Redis Cluster" => &[],
        other => panic!("{other}"),
    }
}

/// From the end, where those are that take longest: so no thread is left alone with one of them.
fn next(waiting: &Mutex<std::slice::Iter<'_, (&'static str, Wrapping)>>) -> Option<(&'static str, Wrapping)> {
    waiting.lock().unwrap().next_back().copied()
}

fn print(reports: &[(&str, Wrapping, Report)]) {
    say(&format!(
        "{:<15} {:<7} {:>10} {:>7} {:>7}  not applicable",
        "storage", "", "behaviours", "passed", "failed"
    ));
    for (server, wrapping, report) in reports {
        let wrapping = format!("{wrapping:?}").to_lowercase();
        let (all, failed) = (report.outcomes.len(), report.failed().count());
        let not_applicable: Vec<_> = report
            .not_applicable()
            .into_iter()
            .map(|(lacking, count)| format!("{count} ({lacking})"))
            .collect();
        say(&format!(
            "{server:<15} {wrapping:<7} {all:>10} {:>7} {failed:>7}  {}",
            report.passed(),
            not_applicable.join(", ")
        ));
    }
}
