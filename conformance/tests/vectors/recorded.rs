//! The sets in `vectors/`, and directories of sets.

use std::path::{Path, PathBuf};

use omemo_conformance::vectors::{SetReport, replay_dir, replay_file};
use serde_json::{Value, json};

fn file(set: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(set)
        .with_extension("json")
}

/// Every case of a set passes.
fn passes(set: &str) {
    let path = file(set);
    let recorded: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let report = replay_file(&path).unwrap();
    let SetReport {
        name,
        passed,
        failed,
        supported,
    } = &report;
    assert_eq!(name, set);
    assert!(failed.is_empty(), "{report}");
    assert_eq!(Some(*passed as u64), recorded["count"].as_u64());
    assert!(supported);
}

#[test]
fn xeddsa() {
    passes("xeddsa");
}

#[test]
fn x3dh_twomemo() {
    passes("x3dh_twomemo");
}

#[test]
fn ratchet_twomemo() {
    passes("ratchet_twomemo");
}

#[test]
fn messages_twomemo() {
    passes("messages_twomemo");
}

#[test]
fn a_directory_is_replayed_whole_or_in_part() {
    let dir = file("xeddsa");
    let dir = dir.parent().unwrap();
    let whole = replay_dir(dir, &[]).unwrap();
    assert_eq!(whole.sets.len(), 4);
    assert!(whole.is_success(), "{whole}");

    let part = replay_dir(dir, &["xeddsa".to_owned()]).unwrap();
    assert_eq!(
        part.to_string(),
        "xeddsa: 30 passed, 0 failed\ntotal: 30 passed, 0 failed\n"
    );

    let missing = replay_dir(dir, &["xeddsa".to_owned(), "yeddsa".to_owned()]).unwrap();
    assert_eq!((missing.passed(), missing.failed()), (30, 1));
    assert!(!missing.is_success());
}

#[test]
fn what_is_no_set_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("broken.json"), "{\"set\": ").unwrap();
    std::fs::write(dir.path().join("README.md"), "# Vectors").unwrap();
    let report = replay_dir(dir.path(), &[]).unwrap();
    assert_eq!(report.sets.len(), 1);
    assert_eq!(report.sets[0].failed[0].case, "broken.json");
    let only = ["xeddsa".to_owned()];
    assert_eq!(replay_dir(dir.path(), &only).unwrap().failed(), 2);
}

#[test]
fn what_is_not_supported_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let set = json!({"set": "x3dh_oldmemo", "namespace": "eu.siacs.conversations.axolotl", "count": 2,
        "cases": [{"id": "one"}, {"id": "two"}]});
    std::fs::write(dir.path().join("x3dh_oldmemo.json"), set.to_string()).unwrap();
    let dumps = dir.path().join("storage_import");
    std::fs::create_dir(&dumps).unwrap();
    std::fs::write(dumps.join("dump_0.json"), "{}").unwrap();
    let report = replay_dir(dir.path(), &[]).unwrap();
    assert_eq!(
        report.to_string(),
        "x3dh_oldmemo: 0 passed, 2 failed (not supported)\n\
         storage_import: 0 passed, 1 failed (not supported)\n\
         total: 0 passed, 3 failed\n"
    );
}
