//! Sealed storages on the command line, and `omemo rekey`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;
#[path = "common/sealing.rs"]
mod sealing;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{failing, good, url};
use omemo::blocking::wait;
use omemo::local::Server;
use omemo_storage_sqlite::SqliteStorage;
use sealing::{NEW, OLD, fill, key_file, open, rekey_while_a_client_writes};
use tempfile::TempDir;

fn sqlite(path: &Path) -> SqliteStorage {
    wait(SqliteStorage::open(path)).unwrap()
}

/// A database with two accounts, sealed by the old key.
fn two_accounts(directory: &TempDir) {
    fill(sqlite(&directory.path().join("omemo.db")));
}

#[test]
fn a_sealed_storage_is_shown_to_whoever_has_the_key() {
    let directory = TempDir::new().unwrap();
    two_accounts(&directory);
    let url = url(directory.path(), "omemo.db");
    let (old, new) = (key_file(directory.path(), OLD), key_file(directory.path(), NEW));

    let sealed = good(&["inspect", &url]);
    assert!(
        sealed.contains("romeo@montague.lit\n") && sealed.contains("  omemo-sealed\n"),
        "{sealed}"
    );
    assert!(!sealed.contains("contact"), "{sealed}");
    let shown = good(&["inspect", "--key-file", &old, &url]);
    assert!(
        shown.contains("  contact/juliet@capulet.lit\n") && !shown.contains("omemo-sealed"),
        "{shown}"
    );
    let fingerprints = good(&["fingerprint", "--key-file", &old, &url]);
    assert_eq!(common::fingerprints(&fingerprints).len(), 3, "{fingerprints}");

    for command in ["inspect", "fingerprint"] {
        failing(
            &[command, "--key-file", &new, &url],
            1,
            "a master key that was not given",
        );
        let missing = failing(
            &[command, "--key-file", "/nowhere/key", &url],
            1,
            "cannot be read",
        );
        assert_eq!(missing.out, "");
    }
    // The key may also come from the environment, where a file takes precedence.
    let from_environment = |key: &str, arguments: &[&str]| {
        let mut omemo = Command::new(env!("CARGO_BIN_EXE_omemo"));
        omemo
            .args(arguments)
            .env("OMEMO_MASTER_KEY", key)
            .output()
            .unwrap()
    };
    let output = from_environment(&"0a".repeat(32), &["inspect", &url]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), shown);
    let output = from_environment(&"0b".repeat(32), &["inspect", &url, "--key-file", &old]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), shown);
    let output = from_environment("0a", &["inspect", &url]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        error,
        "omemo: $OMEMO_MASTER_KEY does not hold a master key: 32 bytes in hex or base64\n"
    );
}

#[test]
fn a_new_master_key_is_given_while_clients_run() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("omemo.db");
    rekey_while_a_client_writes(|| sqlite(&path), &url(directory.path(), "omemo.db"), &[]);
}

#[test]
fn rotations_that_cannot_be_are_refused() {
    let directory = TempDir::new().unwrap();
    two_accounts(&directory);
    let sealed = url(directory.path(), "omemo.db");
    let plain = url(directory.path(), "plain.db");
    let storage = sqlite(&directory.path().join("plain.db"));
    open(&Server::new(), "romeo@montague.lit", storage);
    let [old, new, other] = [OLD, NEW, 0x0c].map(|byte| key_file(directory.path(), byte));

    let rekey = |old: &str, new: &str, url: &str, code, says| {
        failing(
            &["rekey", "--key-file", old, "--new-key-file", new, url],
            code,
            says,
        )
    };
    rekey(&old, &old, &sealed, 2, "the same");
    rekey(&other, &new, &sealed, 1, "a master key that was not given");
    rekey(&old, &sealed, &sealed, 1, "cannot be read");
    rekey(
        &old,
        &new,
        &url(directory.path(), "missing.db"),
        1,
        "cannot be opened",
    );
    assert!(!directory.path().join("missing.db").exists());
    let run = rekey(&old, &new, &plain, 1, "1 account without keys: not sealed");
    assert_eq!(run.out, "0 accounts rekeyed, 0 had the new key already\n");
    failing(
        &["rekey", "--new-key-file", &new, &sealed],
        2,
        "the former master key is missing",
    );
    fs::write(&new, "to be or not to be").unwrap();
    rekey(&old, &new, &sealed, 1, "does not hold a master key");

    // Nothing of this has changed anything.
    good(&["inspect", "--key-file", &old, &sealed]);
}

/// What cannot be made fit for use stays refused.
#[test]
fn a_sealed_copy_is_accepted_with_its_key_alone() {
    let directory = TempDir::new().unwrap();
    two_accounts(&directory);
    let url = url(directory.path(), "omemo.db");
    let old = key_file(directory.path(), OLD);
    fs::remove_file(directory.path().join("omemo.db-mark")).unwrap();
    failing(&["accept-copy", &url], 1, "--key-file");
    failing(
        &[
            "rekey",
            &url,
            "--key-file",
            &old,
            "--new-key-file",
            &key_file(directory.path(), NEW),
        ],
        1,
        "accept-copy",
    );
    let accepted = good(&["accept-copy", &url, "--key-file", &old]);
    assert!(accepted.starts_with("2 accounts: "), "{accepted}");
    assert!(!good(&["inspect", &url, "--key-file", &old]).contains("session/"));
    good(&[
        "rekey",
        &url,
        "--key-file",
        &old,
        "--new-key-file",
        &key_file(directory.path(), NEW),
    ]);
}
