//! `omemo conformance`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs;

use common::{good, omemo, url};
use omemo_storage::blocking::wait;
use omemo_storage_sqlite::SqliteStorage;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor};
use tempfile::TempDir;

/// How many behaviours passed, failed and were not applicable, as the last line says and as the lines before it show.
fn counts(out: &str) -> [usize; 3] {
    let (lines, total): (Vec<&str>, _) = (out.lines().collect(), out.lines().last().unwrap());
    let shown = [": passed", ": FAILED: ", ": not applicable: "].map(|verdict| {
        let lines = lines.iter().filter(|line| line.contains(verdict));
        lines.count()
    });
    let all: usize = shown.iter().sum();
    let [passed, failed, not_applicable] = shown;
    let expected =
        format!("{all} behaviours: {passed} passed, {failed} failed, {not_applicable} not applicable");
    assert!(total.starts_with(&expected), "{total}");
    shown
}

#[test]
fn a_sound_storage_passes_plain_sealed_and_cached() {
    let directory = TempDir::new().unwrap();
    let key = directory.path().join("key");
    fs::write(&key, "0d".repeat(32)).unwrap();
    let key = key.to_str().unwrap();
    let runs: [(&[&str], usize); 4] = [
        (&[], 2),
        (&["--key-file", key], 2),
        (&["--cached"], 4),
        (&["--cached", "--key-file", key], 4),
    ];
    let mut totals = Vec::new();
    for (n, (flags, lacking)) in runs.into_iter().enumerate() {
        let url = url(directory.path(), &format!("{n}.db"));
        let out = good(&[&["conformance", &url], flags].concat());
        let [passed, failed, not_applicable] = counts(&out);
        assert_eq!((failed, not_applicable), (0, lacking), "{out}");
        totals.push(passed + not_applicable);
    }
    assert!(
        totals[0] > 60 && totals.iter().all(|total| *total == totals[0]),
        "{totals:?}"
    );
}

#[test]
fn a_broken_storage_fails_by_name() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("omemo.db");
    wait(async {
        let storage = SqliteStorage::open(&path).await.unwrap();
        storage.close().await;
    });
    // Somebody's trigger shortens what is stored.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(&path);
        let mut connection = options.connect().await.unwrap();
        let trigger = "CREATE TRIGGER shorten AFTER INSERT ON omemo_framed WHEN length(NEW.framed) > 1000000
            BEGIN UPDATE omemo_framed SET framed = substr(framed, 1, 1000000) WHERE rowid = NEW.rowid; END";
        connection.execute(trigger).await.unwrap();
    });
    let run = omemo(&["conformance", &url(directory.path(), "omemo.db")]);
    assert_eq!(run.code, 1);
    let [passed, failed, _] = counts(&run.out);
    assert!(run.out.contains("largest_value_is_kept: FAILED: "), "{}", run.out);
    assert!(passed > 50 && failed < 5, "{}", run.out);
    assert_eq!(
        run.err,
        format!("omemo: the storage cannot be trusted: {failed} failed\n")
    );
}

#[test]
fn a_storage_that_does_not_open_is_one_failure() {
    let directory = TempDir::new().unwrap();
    for (url, says) in [
        (url(directory.path(), "missing/omemo.db"), "cannot be opened"),
        (
            "postgres://romeo:wherefore@127.0.0.1:1/omemo".to_owned(),
            "postgres://127.0.0.1:1/omemo: ",
        ),
        (
            "redis://romeo:wherefore@127.0.0.1:1".to_owned(),
            "redis://127.0.0.1:1: ",
        ),
    ] {
        let run = omemo(&["conformance", &url]);
        assert_eq!(
            (run.code, run.out.as_str(), run.err.lines().count()),
            (1, "", 1),
            "{run:?}"
        );
        assert!(
            run.err.contains(says) && !run.err.contains("wherefore"),
            "{run:?}"
        );
    }
}
