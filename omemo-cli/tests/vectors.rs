//! `omemo vectors`: a line a set, the total, and whether all is well.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Run, omemo};
use tempfile::TempDir;

const NOT_SUPPORTED: &str = r#"{"set": "x3dh_nomemo", "namespace": null, "count": 0, "cases": []}"#;

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/vectors")
}

/// Sets of files with these names and contents.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, contents) in files {
        fs::write(directory.path().join(name), contents).unwrap();
    }
    directory
}

fn vectors(directory: &Path, only: &[&str]) -> Run {
    let mut arguments = vec!["vectors", directory.to_str().unwrap()];
    for name in only {
        arguments.extend(["--only", name]);
    }
    omemo(&arguments)
}

fn assert_ends(run: &Run, code: i32, out: &str) {
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (code, out, ""));
}

#[test]
fn each_set_has_a_line_and_all_have_a_total() {
    let run = vectors(&recorded(), &[]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    let (total, sets) = run
        .out
        .trim_end()
        .rsplit_once('\n')
        .map(|(sets, total)| (total, sets))
        .unwrap();
    let mut passed = 0;
    for line in sets.lines() {
        let (_, counts) = line.split_once(": ").unwrap();
        passed += counts
            .strip_suffix(" passed, 0 failed")
            .unwrap()
            .parse::<usize>()
            .unwrap();
    }
    assert_eq!(sets.lines().count(), 8);
    assert_eq!(total, format!("total: {passed} passed, 0 failed"));
}

#[test]
fn a_case_that_fails_is_named_and_fails_the_run() {
    let whole = fs::read_to_string(recorded().join("xeddsa.json")).unwrap();
    let mut set: serde_json::Value = serde_json::from_str(&whole).unwrap();
    set["cases"][0]["sign_bit"] = 7.into();
    let directory = directory(&[("xeddsa.json", &set.to_string())]);
    let run = vectors(directory.path(), &[]);
    let lines: Vec<_> = run.out.lines().collect();
    let [counted, case, total] = lines[..] else {
        unreachable!("{lines:?}")
    };
    assert_eq!((run.code, counted), (1, "xeddsa: 29 passed, 1 failed"));
    assert!(case.starts_with("  "), "{case}");
    assert_eq!(total, "total: 29 passed, 1 failed");
}

#[test]
fn what_is_not_supported_fails_the_run() {
    let xeddsa = fs::read_to_string(recorded().join("xeddsa.json")).unwrap();
    let directory = directory(&[("a.json", NOT_SUPPORTED), ("xeddsa.json", &xeddsa)]);
    let run = vectors(directory.path(), &[]);
    let out = "x3dh_nomemo: 0 passed, 1 failed (not supported)\nxeddsa: 30 passed, 0 failed\n\
               total: 30 passed, 1 failed\n";
    assert_ends(&run, 1, out);
}

#[test]
fn only_the_sets_that_are_named_are_looked_at() {
    let xeddsa = fs::read_to_string(recorded().join("xeddsa.json")).unwrap();
    let other = r#"{"set": "group_chat", "rounds": []}"#;
    let files = [
        ("a.json", NOT_SUPPORTED),
        ("b.json", other),
        ("xeddsa.json", &xeddsa),
    ];
    let directory = directory(&files);
    let good = "xeddsa: 30 passed, 0 failed\ntotal: 30 passed, 0 failed\n";
    assert_ends(&vectors(directory.path(), &["xeddsa"]), 0, good);
    let run = vectors(directory.path(), &["xeddsa", "yeddsa"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("\nyeddsa: 0 passed, 1 failed\n"), "{}", run.out);
    assert!(run.out.ends_with("\ntotal: 30 passed, 1 failed\n"), "{}", run.out);
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let run = vectors(Path::new("/nowhere"), &[]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert!(run.err.starts_with("omemo: /nowhere: "), "{}", run.err);
}
