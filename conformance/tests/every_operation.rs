//! Every operation of the core is played where faults strike.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The Rust sources in a folder of the workspace.
fn sources(folder: &str) -> Vec<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(folder).unwrap();
        let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}

/// The public functions that answer an operation, by their names.
fn operations(source: &str) -> Vec<String> {
    let functions = source.split("pub fn ").skip(1);
    let signatures = functions.filter_map(|function| function.split_once('{'));
    let operations = signatures.filter(|(signature, _)| signature.contains("-> Operation<"));
    operations
        .filter_map(|(signature, _)| signature.split(['(', '<']).next())
        .map(str::to_owned)
        .collect()
}

/// Whoever adds an operation to the core adds a scene that plays it.
#[test]
fn no_operation_is_left_out_of_the_scenes() {
    let core: BTreeSet<String> = sources("omemo-sansio/src")
        .iter()
        .flat_map(|source| operations(source))
        .collect();
    assert!(
        core.len() >= 32,
        "the operations of the core were not found: {core:?}"
    );
    let mut played = sources("conformance/src/faults/scenes");
    let story = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/faults");
    for part in ["story.rs", "talking.rs", "doing.rs"] {
        played.push(fs::read_to_string(story.join(part)).unwrap());
    }
    let is_played = |operation: &String| {
        let calls = [format!("account.{operation}("), format!("Account::{operation}")];
        played
            .iter()
            .any(|source| calls.iter().any(|call| contains_word(source, call)))
    };
    let left_out: Vec<_> = core.iter().filter(|operation| !is_played(operation)).collect();
    assert!(
        left_out.is_empty(),
        "no fault strikes {left_out:?}: play them in conformance/src/faults/scenes"
    );
}

/// Whether a call stands there, and not only one whose name begins so.
fn contains_word(source: &str, call: &str) -> bool {
    source.match_indices(call).any(|(at, _)| {
        let after = source[at + call.len()..].chars().next();
        call.ends_with('(') || !after.is_some_and(|after| after.is_alphanumeric() || after == '_')
    })
}
