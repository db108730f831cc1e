//! Kinds of messages that none of the recorded cases has, made of others that are the same on the wire.

use std::path::Path;

use omemo_conformance::vectors::replay_file;
use serde_json::{Value, json};

/// The cases of legacy OMEMO in which a change found something to do, and what is wrong with each after it.
fn replay(change: impl Fn(&mut Value) -> bool) -> Vec<Option<String>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let bytes = std::fs::read(dir.join("messages_oldmemo.json")).unwrap();
    let recorded: Value = serde_json::from_slice(&bytes).unwrap();
    let mut results = Vec::new();
    for case in recorded["cases"].as_array().unwrap() {
        let mut case = case.clone();
        let steps = case["steps"].as_array_mut().unwrap();
        if steps.iter_mut().map(&change).filter(|changed| *changed).count() == 0 {
            continue;
        }
        let mut set = recorded.clone();
        set["count"] = json!(1);
        set["cases"] = json!([case]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("set.json");
        std::fs::write(&path, set.to_string()).unwrap();
        let report = replay_file(&path).unwrap();
        results.push(report.failed.into_iter().next().map(|failure| failure.what));
    }
    assert!(!results.is_empty());
    results
}

fn is_message(step: &Value, kind: &str) -> bool {
    step["op"] == "message" && step["kind"] == kind
}

#[test]
fn wire_note_25_a_key_transport_of_16_bytes() {
    let rename = |step: &mut Value| {
        let empty = is_message(step, "empty");
        if empty {
            step["kind"] = json!("key_transport");
        }
        empty
    };
    assert!(replay(rename).iter().all(Option::is_none));
}

/// A text of no bytes has no payload.
fn with_tag(step: &mut Value) -> bool {
    let text_of_nothing = is_message(step, "payload") && step["plaintext"] == "";
    if text_of_nothing {
        step["kind"] = json!("key_transport_with_tag");
        step["plaintext"] = Value::Null;
        let tag = json!({"kind": "external_tag", "value": step["key_material"]["auth_tag"]});
        step["content_secrets"].as_array_mut().unwrap().push(tag);
    }
    text_of_nothing
}

#[test]
fn wire_note_25_a_key_transport_of_32_bytes() {
    assert!(replay(with_tag).iter().all(Option::is_none));
}

#[test]
fn a_key_transport_whose_parts_do_not_fit_fails() {
    let without_tag = |step: &mut Value| {
        let changed = with_tag(step);
        if changed {
            step["content_secrets"].as_array_mut().unwrap().pop();
        }
        changed
    };
    let other_tag = |step: &mut Value| {
        let changed = with_tag(step);
        if changed {
            step["content_secrets"][2]["value"] = json!("00".repeat(16));
        }
        changed
    };
    assert!(replay(without_tag).iter().all(Option::is_some));
    assert!(replay(other_tag).iter().all(Option::is_some));
}
