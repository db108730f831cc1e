//! What the tests of the command share.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// What a run of the command left.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn omemo(arguments: &[&str]) -> Run {
    omemo_with(arguments, &[])
}

/// A run that has these variables in its environment.
pub fn omemo_with(arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_omemo"))
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A run that must go well and have nothing to complain about.
pub fn good(arguments: &[&str]) -> String {
    let run = omemo(arguments);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    run.out
}

/// A run that must fail, and say in one line why.
pub fn failing(arguments: &[&str], code: i32, says: &str) -> Run {
    let run = omemo(arguments);
    assert_eq!((run.code, run.err.lines().count()), (code, 1), "{run:?}");
    assert!(
        run.err.starts_with("omemo: ") && run.err.contains(says),
        "{run:?}"
    );
    run
}

pub fn demo_in(directory: &Path) -> String {
    good(&["demo", "--dir", directory.to_str().unwrap()])
}

pub fn url(directory: &Path, file: &str) -> String {
    format!("sqlite:{}", directory.join(file).display())
}

/// A file with the storage of a device of python-omemo: that of bob@example.org in a recorded dump, who knows three devices
/// of others.
pub fn python_omemo(directory: &Path) -> String {
    let dump =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/vectors/storage_import/dump_4.json");
    let dump: serde_json::Value = serde_json::from_slice(&fs::read(dump).unwrap()).unwrap();
    let source = directory.join("python-omemo.json");
    fs::write(&source, dump["devices"][2]["storage"].to_string()).unwrap();
    source.to_str().unwrap().to_owned()
}

/// The fingerprints in an output: lines of eight groups of eight digits.
pub fn fingerprints(out: &str) -> Vec<&str> {
    out.lines()
        .map(str::trim)
        .filter(|line| {
            let groups: Vec<_> = line.split(' ').collect();
            groups.len() == 8 && groups.iter().all(|group| is_hex(group, 8))
        })
        .collect()
}

pub fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.chars().all(|digit| digit.is_ascii_hexdigit())
}
