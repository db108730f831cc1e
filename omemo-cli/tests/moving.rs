//! `omemo import` and `omemo backup`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn omemo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_omemo"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).unwrap()
}

/// The storage of a device of a recorded dump, as a file.
fn source(dir: &Path) -> (PathBuf, Vec<u8>) {
    let dump =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/vectors/storage_import/dump_4.json");
    let dump: Value = serde_json::from_slice(&fs::read(dump).unwrap()).unwrap();
    let json = dump["devices"][2]["storage"].to_string().into_bytes();
    let path = dir.join("python-omemo.json");
    fs::write(&path, &json).unwrap();
    (path, json)
}

#[test]
fn an_account_moves_whole_once_and_leaves_the_source_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (source, json) = source(dir.path());
    let source = source.to_str().unwrap();
    let database = dir.path().join("omemo.sqlite");
    let url = format!("sqlite:{}", database.display());

    let dry = omemo(&["import", source, &url, "--dry-run"]);
    assert!(dry.status.success(), "{}", text(&dry.stderr));
    assert!(text(&dry.stdout).contains("would be taken over: "));
    assert!(!database.exists());

    let done = omemo(&["import", source, &url]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let counts = |output: &Output| {
        let text = text(&output.stdout);
        let line = text.lines().find(|line| line.contains("taken over: ")).unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    };
    assert_eq!(counts(&dry), counts(&done));
    assert!(counts(&done).contains(" sessions, "));

    let again = omemo(&["import", source, &url]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("the account is there already"));
    let before = fs::read(&database).unwrap();
    let dry = omemo(&["import", source, &url, "--dry-run"]);
    assert_eq!(dry.status.code(), Some(1));
    assert!(text(&dry.stderr).contains("the account is there already"));
    assert!(!text(&dry.stdout).contains("would be taken over"));
    assert_eq!(fs::read(&database).unwrap(), before);
    assert_eq!(fs::read(source).unwrap(), json);

    let shown = omemo(&["fingerprint", &url]);
    assert!(shown.status.success());
    assert!(text(&shown.stdout).contains("bob@example.org"));

    let backup = dir.path().join("backup");
    let backup = backup.to_str().unwrap();
    let backed_up = omemo(&["backup", &url, "bob@example.org", backup]);
    assert!(backed_up.status.success(), "{}", text(&backed_up.stderr));
    let bytes = omemo::transfer::Backup::decode(&fs::read(backup).unwrap()).unwrap();
    assert_eq!(bytes.jid().as_str(), "bob@example.org");
    assert!(bytes.trust().len() >= 2);
    // Never over something else.
    assert_eq!(
        omemo(&["backup", &url, "bob@example.org", backup]).status.code(),
        Some(1)
    );
}

/// There is no network here to look for the account's other devices in a protocol that the source does not speak.
#[test]
fn a_source_of_one_protocol_moves_too() {
    let dir = tempfile::tempdir().unwrap();
    let recorded =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../omemo-import/tests/data/python_omemo_0_14.json");
    let recorded: Value = serde_json::from_slice(&fs::read(recorded).unwrap()).unwrap();
    let source = dir.path().join("python-omemo-legacy.json");
    let json = recorded["storage"].to_string().into_bytes();
    fs::write(&source, &json).unwrap();
    let url = format!("sqlite:{}", dir.path().join("omemo.sqlite").display());
    let legacy = ["--format", "python-omemo-legacy"];
    let import = |more: &[&str]| {
        let arguments = [&["import", source.to_str().unwrap(), &url], &legacy[..], more].concat();
        omemo(&arguments)
    };
    let other = import(&["--account", "eve@example.org"]);
    assert_eq!(other.status.code(), Some(1));
    let says = format!("{}: is the storage of alice@example.org\n", source.display());
    assert!(text(&other.stderr).ends_with(&says), "{}", text(&other.stderr));
    let dry = import(&["--dry-run"]);
    assert!(dry.status.success(), "{}", text(&dry.stderr));
    assert!(text(&dry.stdout).contains("would be taken over: "));
    let done = import(&[]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains("Nothing may run on the source any more"));
    assert!(text(&import(&[]).stderr).contains("the account is there already"));
    assert_eq!(fs::read(&source).unwrap(), json);
}

/// A source may have levels of its own.
#[test]
fn a_trust_level_becomes_what_it_is_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let (source, json) = source(dir.path());
    let mut json: Value = serde_json::from_slice(&json).unwrap();
    for (name, value) in json.as_object_mut().unwrap() {
        if name.starts_with("/trust/alice@example.org/") {
            *value = "FRIEND".into();
        } else if name.starts_with("/trust/carol@example.org/") {
            *value = "FOE".into();
        }
    }
    fs::write(&source, json.to_string()).unwrap();
    let database = dir.path().join("omemo.sqlite");
    let url = format!("sqlite:{}", database.display());
    let import = ["import", source.to_str().unwrap(), &url];

    let refused = omemo(&[&import[..], &["--level", "FRIEND=trusted"]].concat());
    assert_eq!(refused.status.code(), Some(1));
    let says = "is the trust level \"FOE\", which has no counterpart here";
    assert!(text(&refused.stderr).contains(says), "{}", text(&refused.stderr));
    assert!(!database.exists());

    let told = ["--level", "FRIEND=trusted", "--level", "FOE=distrusted"];
    let done = omemo(&[&import[..], &told].concat());
    assert!(done.status.success(), "{}", text(&done.stderr));
    let shown = text(&omemo(&["fingerprint", &url]).stdout);
    let level = |device: &str| {
        let mut lines = shown.lines();
        let details = lines.find_map(|line| line.trim().strip_prefix(device));
        details.unwrap_or_else(|| panic!("{device}: {shown}")).trim()
    };
    assert_eq!(
        ["348425439", "1221067170", "1316803830"].map(level),
        ["trusted", "trusted", "distrusted"],
        "{shown}"
    );
}

#[test]
fn what_is_wrong_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (source, _) = source(dir.path());
    let url = format!("sqlite:{}", dir.path().join("omemo.sqlite").display());
    let broken = dir.path().join("broken.json");
    fs::write(&broken, "{}").unwrap();
    let refused = omemo(&["import", broken.to_str().unwrap(), &url]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("/ikp/is_seed is missing"));
    let other = omemo(&[
        "import",
        source.to_str().unwrap(),
        &url,
        "--account",
        "eve@example.org",
    ]);
    assert_eq!((other.status.code(), &*text(&other.stdout)), (Some(1), ""));
    let says = format!("{}: the source is of bob@example.org\n", source.display());
    assert!(text(&other.stderr).ends_with(&says), "{}", text(&other.stderr));
    let level = omemo(&["import", source.to_str().unwrap(), &url, "--level", "X=friend"]);
    assert_eq!(level.status.code(), Some(2));
}
