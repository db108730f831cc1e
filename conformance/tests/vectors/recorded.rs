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
fn x3dh_oldmemo() {
    passes("x3dh_oldmemo");
}

#[test]
fn ratchet_oldmemo() {
    passes("ratchet_oldmemo");
}

#[test]
fn messages_oldmemo() {
    passes("messages_oldmemo");
}

/// Whole storages, each of whose devices is taken over and goes on as it did.
#[test]
fn storage_import() {
    let dir = file("xeddsa");
    let report = replay_dir(dir.parent().unwrap(), &["storage_import".to_owned()]).unwrap();
    assert_eq!(
        report.to_string(),
        "storage_import: 9 passed, 0 failed\ntotal: 9 passed, 0 failed\n"
    );
}

/// A storage, a secret, a text or a message that is another than the recorded one: the replay of the dump fails.
#[test]
fn changed_dumps_fail() {
    let path = file("storage_import/dump_0");
    let whole: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let ratchet = "/devices/0/storage/~1urn:xmpp:omemo:2~1bob@example.org~1940513039~1double_ratchet";
    let changes = [
        (
            format!("{ratchet}/diffie_hellman_ratchet/root_chain/key"),
            json!("\u{1}".repeat(32)),
        ),
        (
            format!("{ratchet}/skipped_message_keys/0/message_key"),
            json!("\u{1}".repeat(32)),
        ),
        (
            format!("{ratchet}/diffie_hellman_ratchet/symmetric_key_ratchet/sending_chain/length"),
            json!(1000),
        ),
        ("/devices/0/storage/~1own_device_id".to_owned(), json!(1)),
        (
            "/continuation/0/sender_secrets/0/value".to_owned(),
            json!("11".repeat(32)),
        ),
        ("/continuation/0/plaintext".to_owned(), json!("00")),
        (
            "/continuation/0/xml".to_owned(),
            whole["continuation"][1]["xml"].clone(),
        ),
    ];
    for (place, value) in changes {
        let mut dump = whole.clone();
        *dump.pointer_mut(&place).unwrap() = value;
        let dir = tempfile::tempdir().unwrap();
        let dumps = dir.path().join("storage_import");
        std::fs::create_dir(&dumps).unwrap();
        std::fs::write(dumps.join("dump_0.json"), dump.to_string()).unwrap();
        let report = replay_dir(dir.path(), &[]).unwrap();
        assert!(report.failed() > 0, "{place}");
    }
}

#[test]
fn a_directory_is_replayed_whole_or_in_part() {
    let dir = file("xeddsa");
    let dir = dir.parent().unwrap();
    let whole = replay_dir(dir, &[]).unwrap();
    assert_eq!(whole.sets.len(), 8);
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

/// What is left out may be of another form; what is asked for may not, nor what does not say what it is.
#[test]
fn what_is_left_out_is_not_judged() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, value: Value| std::fs::write(dir.path().join(name), value.to_string()).unwrap();
    write("other.json", json!({"set": "group_chat", "rounds": []}));
    write("list.json", json!([1, 2]));
    std::fs::copy(file("xeddsa"), dir.path().join("xeddsa.json")).unwrap();
    let only = |name: &str| replay_dir(dir.path(), &[name.to_owned()]).unwrap();
    assert!(only("xeddsa").is_success(), "{}", only("xeddsa"));
    for (name, file) in [("group_chat", "other.json"), ("list", "list.json")] {
        let report = only(name);
        assert_eq!((report.sets.len(), report.failed()), (1, 1), "{report}");
        assert_eq!(report.sets[0].failed[0].case, file);
    }
    assert_eq!(replay_dir(dir.path(), &[]).unwrap().failed(), 2);
}

#[test]
fn what_is_not_supported_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let set = json!({"set": "x3dh_nomemo", "namespace": "urn:xmpp:omemo:3", "count": 2,
        "cases": [{"id": "one"}, {"id": "two"}]});
    std::fs::write(dir.path().join("x3dh_nomemo.json"), set.to_string()).unwrap();
    let dumps = dir.path().join("storage_import");
    std::fs::create_dir(&dumps).unwrap();
    std::fs::write(dumps.join("dump_0.json"), "{}").unwrap();
    let report = replay_dir(dir.path(), &[]).unwrap();
    assert_eq!(
        report.to_string(),
        "x3dh_nomemo: 0 passed, 2 failed (not supported)\n\
         storage_import: 0 passed, 1 failed\n  dump_0.json: missing field `devices`\n\
         total: 0 passed, 3 failed\n"
    );
}

#[test]
fn what_is_not_supported_is_counted_without_cases_too() {
    let dir = tempfile::tempdir().unwrap();
    let set = json!({"set": "x3dh_nomemo", "namespace": null, "count": 0, "cases": []});
    std::fs::write(dir.path().join("x3dh_nomemo.json"), set.to_string()).unwrap();
    std::fs::copy(file("xeddsa"), dir.path().join("xeddsa.json")).unwrap();
    let report = replay_dir(dir.path(), &[]).unwrap();
    assert_eq!(
        report.to_string(),
        "x3dh_nomemo: 0 passed, 1 failed (not supported)\n\
         xeddsa: 30 passed, 0 failed\n\
         total: 30 passed, 1 failed\n"
    );
    assert!(!report.is_success());
}
