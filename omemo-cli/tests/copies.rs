//! `omemo accept-copy`, and what leads to it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::Path;

use common::{Run, demo_in, fingerprints, good, omemo, python_omemo, url};
use omemo::Settings;
use omemo::blocking::Client;
use omemo::local::Server;
use omemo_storage_sqlite::SqliteStorage;
use tempfile::TempDir;

const DATABASE: &str = "romeo-phone.db";

/// A database that looks like a copy: what stands beside the original is missing.
fn copy(directory: &TempDir) -> String {
    demo_in(directory.path());
    fs::remove_file(directory.path().join(format!("{DATABASE}-mark"))).unwrap();
    url(directory.path(), DATABASE)
}

/// Takes over another account into it, which writes.
fn write(directory: &Path, url: &str) -> Run {
    omemo(&["import", &python_omemo(directory), url])
}

fn holds(url: &str, kind: &str) -> usize {
    let inspected = good(&["inspect", url]);
    let items = inspected.lines().map(str::trim);
    items.filter(|line| line.starts_with(kind)).count()
}

#[test]
fn a_copy_is_refused_until_its_sessions_and_pre_keys_are_dropped() {
    let directory = TempDir::new().unwrap();
    let url = copy(&directory);
    let refused = write(directory.path(), &url);
    assert_eq!(refused.code, 1);
    let says = format!(
        "omemo accept-copy sqlite:{}",
        directory.path().join(DATABASE).display()
    );
    assert!(
        refused.err.contains(&says) && refused.err.contains("--moved"),
        "{refused:?}"
    );
    let known = good(&["fingerprint", &url]);
    let before = [holds(&url, "session/"), holds(&url, "prekeys/")];
    assert!(before[0] > 0 && before[1] > 0, "{before:?}");

    let accepted = good(&["accept-copy", &url]);
    assert!(
        accepted.starts_with("1 account: sessions and pre keys dropped; "),
        "{accepted}"
    );
    assert_eq!([holds(&url, "session/"), holds(&url, "prekeys/")], [0, before[1]]);
    assert_eq!(
        holds(&url, "outbox/bundle/"),
        before[1],
        "the new pre keys are published later"
    );
    assert_eq!(fingerprints(&good(&["fingerprint", &url])), fingerprints(&known));
    let written = write(directory.path(), &url);
    assert_eq!(written.code, 0, "{written:?}");
}

#[test]
fn what_was_moved_is_accepted_as_it_is() {
    let directory = TempDir::new().unwrap();
    let url = copy(&directory);
    let before = holds(&url, "session/");
    let accepted = good(&["accept-copy", &url, "--moved"]);
    assert!(
        accepted.ends_with("romeo-phone.db is accepted as it is\n"),
        "{accepted}"
    );
    assert_eq!(holds(&url, "session/"), before);
    assert_eq!(write(directory.path(), &url).code, 0);
}

#[test]
fn an_accepted_copy_is_the_same_device_with_other_pre_keys() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("omemo.db");
    let server = Server::new();
    let jid = omemo::BareJid::new("romeo@montague.lit").unwrap();
    let open = || {
        let storage = omemo::blocking::wait(SqliteStorage::open(&file)).unwrap();
        let connection = server.connect(&jid, "phone");
        let builder = Client::builder(Settings::new(jid.clone()), storage, connection);
        let client = builder.catch_up(false).open_blocking().unwrap();
        client.flush().unwrap();
        client.device()
    };
    let device = open();
    let bundle = || server.bundle(&jid, &omemo::Namespace::OMEMO_2, device).unwrap();
    let before = bundle();
    let url = url(directory.path(), "omemo.db");
    for moved in [&[][..], &["--moved"]] {
        let refused = omemo(&[&["accept-copy", url.as_str()], moved].concat());
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.err.contains("is not seen to be a copy"), "{refused:?}");
    }
    good(&["accept-copy", &url, "--yes"]);
    assert_eq!(open(), device);
    let after = bundle();
    assert_eq!(after.identity_key, before.identity_key);
    assert!(after.pre_keys.keys().all(|id| !before.pre_keys.contains_key(id)));
    assert!(after.signed_pre_key.id != before.signed_pre_key.id);
}

#[test]
fn what_cannot_be_accepted_is_said() {
    let directory = TempDir::new().unwrap();
    for (arguments, code, says) in [
        (
            &["accept-copy", "postgres://nowhere/omemo", "--moved"][..],
            2,
            "nothing to accept",
        ),
        (
            &["accept-copy", &url(directory.path(), "missing.db")],
            1,
            "cannot be opened",
        ),
        (&["accept-copy", "memory:"], 2, "memory: is empty"),
    ] {
        let run = omemo(arguments);
        assert!(run.code == code && run.err.contains(says), "{run:?}");
    }
    assert!(!directory.path().join("missing.db").exists());
}
