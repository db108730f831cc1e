//! `omemo inspect` and `omemo fingerprint`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{demo_in, fingerprints, good, is_hex, omemo, url};
use omemo::blocking::{Client, wait};
use omemo::local::Server;
use omemo::trust::TrustLevel;
use omemo::{BareJid, DeviceId, DeviceList, Namespace, Settings};
use omemo_storage::blocking::Storage;
use omemo_storage::{AccountId, Query};
use omemo_storage_sqlite::SqliteStorage;
use tempfile::TempDir;

fn jid(text: &str) -> BareJid {
    BareJid::new(text).unwrap()
}

/// Every value in a database.
fn values(path: &Path, account: &str) -> Vec<Vec<u8>> {
    let storage = wait(SqliteStorage::open(path)).unwrap();
    let account = AccountId::new(account).unwrap();
    let mut query = Query::new();
    for record in Storage::records(&storage, &account, None, 1_000).unwrap().entries {
        query.records.insert(record.key);
    }
    let snapshot = Storage::load(&storage, &account, &query).unwrap();
    snapshot
        .records
        .values()
        .map(|record| record.value.as_bytes().to_vec())
        .collect()
}

#[test]
fn inspection_lists_names_and_sizes_and_no_value() {
    let directory = TempDir::new().unwrap();
    demo_in(directory.path());
    for (file, account, other) in [
        ("romeo-phone.db", "romeo@montague.lit", "juliet@capulet.lit"),
        ("juliet-phone.db", "juliet@capulet.lit", "romeo@montague.lit"),
    ] {
        let out = good(&["inspect", &url(directory.path(), file)]);
        assert!(out.starts_with(&format!("{account}\n  contact/")), "{out}");
        assert!(out.contains(&format!("  contact/{other}\n")), "{out}");
        let values = values(&directory.path().join(file), account);
        let bytes: usize = values.iter().map(Vec::len).sum();
        let total = out.lines().last().unwrap().replace(',', "");
        assert_eq!(total, format!("1 account {} records {bytes} bytes", values.len()));
        for window in values.iter().flat_map(|value| value.windows(6)) {
            let hex: String = window.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!out.contains(&hex), "{hex}");
        }
        let words = out.split(|c: char| !c.is_ascii_alphanumeric());
        assert!(!words.clone().any(|word| is_hex(word, 32) || is_hex(word, 64)));
    }
}

#[test]
fn looking_changes_nothing() {
    let directory = TempDir::new().unwrap();
    demo_in(directory.path());
    let url = url(directory.path(), "juliet-phone.db");
    let file = directory.path().join("juliet-phone.db");
    let before = fs::read(&file).unwrap();
    let first = good(&["inspect", &url]);
    good(&["fingerprint", &url]);
    assert_eq!(good(&["inspect", &url]), first);
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn fingerprints_are_those_that_the_devices_showed() {
    let directory = TempDir::new().unwrap();
    let shown = demo_in(directory.path());
    let out = good(&["fingerprint", &url(directory.path(), "juliet-phone.db")]);
    let set = |out| {
        fingerprints(out)
            .into_iter()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(set(&shown), set(&out));
    let details: BTreeSet<_> = out
        .lines()
        .filter(|line| line.contains(", "))
        .map(|line| line.trim().split_once(' ').unwrap().1.trim())
        .collect();
    let expected = [
        "laptop, blindly-trusted",
        "phone, this device",
        "phone, trusted",
        "tablet, trusted",
    ];
    assert_eq!(details, expected.into());
    assert!(out.starts_with("juliet@capulet.lit\n") && out.contains("\n  romeo@montague.lit\n"));
}

#[test]
fn what_cannot_be_known_is_said() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("omemo.db");
    let server = Server::new();
    let (romeo, juliet) = (jid("romeo@montague.lit"), jid("juliet@capulet.lit"));
    let storage = wait(SqliteStorage::open(&file)).unwrap();
    let open = |jid: &BareJid| {
        let connection = server.connect(jid, "phone");
        let builder = Client::builder(Settings::new(jid.clone()), storage.clone(), connection);
        builder.catch_up(false).open_blocking().unwrap()
    };
    let (his, hers) = (open(&romeo), open(&juliet));
    let list = DeviceList {
        devices: [(DeviceId::new(4711), Default::default())].into(),
    };
    his.update_device_list(Namespace::OMEMO_2, juliet.clone(), list)
        .unwrap();
    let nurse = jid("nurse@capulet.lit");
    let key = hers.device_information(juliet.clone()).unwrap().devices[0].identity_key;
    his.set_trust(nurse, key.unwrap(), TrustLevel::TRUSTED).unwrap();

    let url = url(directory.path(), "omemo.db");
    let out = good(&["fingerprint", &url, "--account", romeo.as_str()]);
    assert!(out.contains("\n  juliet@capulet.lit\n    4711\n                its key was never received\n"));
    assert!(out.contains("\n  nurse@capulet.lit\n    its device list was never received\n"));
    assert_eq!(fingerprints(&out).len(), 1);
    // Both accounts, one after the other.
    let out = good(&["fingerprint", &url]);
    assert!(out.starts_with("juliet@capulet.lit\n") && out.contains("\n\nromeo@montague.lit\n"));
    let run = omemo(&["fingerprint", &url, "--account", "tybalt@capulet.lit"]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert!(run.err.ends_with(" has no account tybalt@capulet.lit\n"));
}

#[test]
fn bad_urls_are_refused_in_one_line() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    fs::write(path.join("text"), "Wherefore art thou no database? ".repeat(64)).unwrap();
    fs::write(path.join("empty"), "").unwrap();
    let cases = [
        (url(path, "missing.db"), 1, "cannot be opened"),
        (url(path, "."), 1, "is not a file"),
        (url(path, "text"), 1, "the file is not a database"),
        (url(path, "empty"), 1, "holds no OMEMO state"),
        ("memory:".to_owned(), 2, "nothing to see"),
        (
            "postgres://romeo:wherefore@127.0.0.1:1/omemo".to_owned(),
            1,
            "postgres://127.0.0.1:1/omemo: ",
        ),
        (
            "redis://romeo:wherefore@127.0.0.1:1".to_owned(),
            1,
            "redis://127.0.0.1:1: ",
        ),
        ("omemo.db".to_owned(), 2, "no URL of a storage; try sqlite:PATH"),
        (
            "mysql://romeo:wherefore@host".to_owned(),
            2,
            "mysql://host is no URL of a storage",
        ),
    ];
    for (url, code, message) in &cases {
        for command in ["inspect", "fingerprint"] {
            let run = omemo(&[command, url]);
            assert_eq!((run.code, run.out.as_str()), (*code, ""), "{run:?}");
            assert!(
                run.err.starts_with("omemo: ") && run.err.contains(message),
                "{run:?}"
            );
            assert_eq!(run.err.lines().count(), 1, "{run:?}");
            assert!(!run.err.contains("wherefore"), "{run:?}");
        }
    }
    assert!(!path.join("missing.db").exists());
    assert_eq!(fs::read(path.join("empty")).unwrap(), b"");
    assert_eq!(fs::read_dir(path).unwrap().count(), 2, "nothing was created");
}

/// Each is a database that is not opened for reading; only the last lacks what is to be read.
#[test]
fn why_a_database_is_not_read_is_said_as_it_is() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    for statements in [
        include_str!("../../omemo-storage-sqlite/migrations/0001_records.sql"),
        "INSERT INTO omemo_schema (version) VALUES (1); PRAGMA journal_mode = WAL",
    ] {
        sql(&path.join("earlier.db"), statements);
    }
    sql(
        &path.join("other.db"),
        "PRAGMA encoding = 'UTF-16'; PRAGMA journal_mode = WAL; CREATE TABLE plays (title)",
    );
    sql(&path.join("plays.db"), "CREATE TABLE plays (title)");
    for (file, message) in [
        ("earlier.db", "read-only, and of an earlier version"),
        ("other.db", "encoding is UTF-16le, not UTF-8"),
        ("plays.db", "read-only, and holds no OMEMO state"),
    ] {
        let run = omemo(&["inspect", &url(path, file)]);
        assert_eq!((run.code, run.out.as_str()), (1, ""), "{run:?}");
        assert!(run.err.contains(message), "{run:?}");
        let says_empty = run.err.contains("no OMEMO state");
        assert_eq!(says_empty, file == "plays.db", "{run:?}");
    }
}

/// Runs statements on a connection of its own.
fn sql(file: &Path, statements: &'static str) {
    use sqlx::{ConnectOptions, Connection, Executor};
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        connection.execute(sqlx::raw_sql(statements)).await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn paths_may_look_like_urls() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("100% of what?");
    demo_in(&path);
    good(&["inspect", &url(&path, "romeo-tablet.db")]);
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [&[][..], &["inspect"], &["play"], &["fingerprint", "a", "b"]] {
        assert_eq!(omemo(arguments).code, 2, "{arguments:?}");
    }
}

#[test]
fn a_reader_may_leave_early() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_omemo"))
        .arg("demo")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(output.status.success());
}
