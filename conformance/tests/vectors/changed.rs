//! A replay can fail: each recorded byte counts, and so does everything else a case is made of.

use std::collections::BTreeSet;
use std::path::Path;

use omemo_conformance::vectors::{Report, SetReport, replay_file};
use serde_json::{Value, json};

fn recorded(set: &str) -> Value {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let bytes = std::fs::read(dir.join(set).with_extension("json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn replay(set: &Value) -> SetReport {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.json");
    std::fs::write(&path, set.to_string()).unwrap();
    replay_file(&path).unwrap()
}

/// A set of one case, without the single inputs.
fn alone(set: &Value, case: &Value) -> Value {
    let mut alone = set.clone();
    alone["count"] = json!(1);
    alone["cases"] = json!([case]);
    if alone.get("edge").is_some() {
        alone["edge"] = json!([]);
    }
    alone
}

/// Fields that tell people something, or that only some cases depend on: what may change without a failure.
const NOTES: [&str; 9] = [
    "bundle_xml_bad_signature",
    "discarded_ratchet_priv",
    "is_old",
    "max_skip",
    "max_stored",
    "policy",
    "responder_device_id",
    "root_chain/length",
    "timestamp",
];

/// Everything that a value holds, as a pointer to it and the sort of place it stands at.
fn leaves(value: &Value, pointer: &str, place: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let sort: Vec<String> = ["op", "expect", "kind", "method", "valid"]
                    .iter()
                    .filter_map(|field| item.get(field).map(Value::to_string))
                    .collect();
                let place = format!("{place}/{}", sort.join(" "));
                leaves(item, &format!("{pointer}/{index}"), &place, found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                leaves(
                    field,
                    &format!("{pointer}/{name}"),
                    &format!("{place}/{name}"),
                    found,
                );
            }
        }
        Value::Null => {}
        _ if NOTES.iter().any(|note| place.ends_with(&format!("/{note}"))) => {}
        _ => found.push((pointer.to_owned(), place.to_owned())),
    }
}

/// Another value of the same type.
fn change(value: &Value) -> Option<Value> {
    match value {
        Value::Bool(value) => Some(json!(!value)),
        Value::Number(value) => Some(json!(value.as_u64()? + 1)),
        Value::String(text) => change_text(text).map(Value::String),
        _ => None,
    }
}

/// Changes a byte in the middle of recorded bytes, or of the first base64 text in XML.
fn change_text(text: &str) -> Option<String> {
    let is_hex =
        !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let at = if is_hex {
        text.len() / 2
    } else if text.starts_with('<') {
        let runs = text.match_indices('>');
        runs.map(|(at, _)| at + 11).find(|at| {
            text.get(at - 10..*at)
                .is_some_and(|run| !run.contains(['<', ' ', '\n']))
        })?
    } else {
        return None;
    };
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    String::from_utf8(bytes).ok()
}

/// Changes one value of each sort that occurs in the set, one at a time.
fn each_change_is_found(set: &str, at_least: usize) {
    let recorded = recorded(set);
    let mut seen = BTreeSet::new();
    for case in recorded["cases"].as_array().unwrap() {
        let mut found = Vec::new();
        leaves(case, "", "", &mut found);
        for (pointer, place) in found {
            // What has to be refused is refused all the same.
            if place.contains("\"fail\"") || place.contains("false") || !seen.insert(place.clone()) {
                continue;
            }
            let mut changed = case.clone();
            let leaf = changed.pointer_mut(&pointer).unwrap();
            let Some(other) = change(leaf) else {
                seen.remove(&place);
                continue;
            };
            *leaf = other;
            let report = replay(&alone(&recorded, &changed));
            assert_eq!((report.passed, report.failed.len()), (0, 1), "{pointer}");
        }
    }
    assert!(
        seen.len() >= at_least,
        "{} sorts of places: {seen:#?}",
        seen.len()
    );
}

#[test]
fn changed_values_of_xeddsa_are_found() {
    each_change_is_found("xeddsa", 30);
}

#[test]
fn changed_values_of_x3dh_are_found() {
    each_change_is_found("x3dh_twomemo", 30);
}

#[test]
fn changed_values_of_ratchet_are_found() {
    each_change_is_found("ratchet_twomemo", 30);
}

#[test]
fn changed_values_of_messages_are_found() {
    each_change_is_found("messages_twomemo", 30);
}

#[test]
fn changed_values_of_legacy_x3dh_are_found() {
    each_change_is_found("x3dh_oldmemo", 30);
}

#[test]
fn changed_values_of_legacy_ratchet_are_found() {
    each_change_is_found("ratchet_oldmemo", 30);
}

#[test]
fn changed_values_of_legacy_messages_are_found() {
    each_change_is_found("messages_oldmemo", 30);
}

#[test]
fn changed_edges_are_found() {
    let xeddsa = recorded("xeddsa");
    for (index, edge) in xeddsa["edge"].as_array().unwrap().iter().enumerate() {
        let mut changed = alone(&xeddsa, &xeddsa["cases"][0]);
        let mut other = edge.clone();
        other["result"] = json!("09".repeat(32));
        changed["edge"] = json!([other]);
        let report = replay(&changed);
        assert_eq!((report.passed, report.failed.len()), (1, 1), "edge {index}");
    }
}

/// What is wrong with the only case of a set, after a change.
fn wrong(set: &str, case: usize, change: impl FnOnce(&mut Value)) -> String {
    let recorded = recorded(set);
    let mut case = recorded["cases"][case].clone();
    change(&mut case);
    let report = replay(&alone(&recorded, &case));
    assert_eq!(report.passed, 0);
    report.failed[0].what.clone()
}

#[test]
fn what_is_not_known_fails() {
    let op = |case: &mut Value| case["events"][0]["op"] = json!("rewind");
    assert!(wrong("ratchet_twomemo", 0, op).contains("unknown variant `rewind`"));
    let op = |case: &mut Value| case["steps"][0]["op"] = json!("rewind");
    assert!(wrong("messages_twomemo", 0, op).contains("unknown variant `rewind`"));
    let kind = |case: &mut Value| case["steps"][0]["kind"] = json!("key_transfer");
    assert!(wrong("messages_twomemo", 0, kind).contains("unknown variant `key_transfer`"));
    let kind = |case: &mut Value| case["steps"][0]["kind"] = json!("key_transport");
    wrong("messages_twomemo", 0, kind);
    let kind = |case: &mut Value| case["kind"] = json!("mnemonic");
    assert!(wrong("xeddsa", 0, kind).contains("unknown variant `mnemonic`"));
    let method = |case: &mut Value| case["signatures"][0]["method"] = json!("blind_sign");
    assert!(wrong("xeddsa", 0, method).contains("unknown variant `blind_sign`"));

    let mut xeddsa = recorded("xeddsa");
    xeddsa["edge"][0]["op"] = json!("x448");
    assert!(replay(&xeddsa).failed[0].what.contains("unknown variant `x448`"));
}

#[test]
fn what_is_missing_fails() {
    let remove = |place: &'static str, field: &'static str| {
        move |case: &mut Value| {
            let object = case.pointer_mut(place).unwrap().as_object_mut().unwrap();
            object.remove(field).unwrap();
        }
    };
    for (set, place, field) in [
        ("xeddsa", "", "curve_to_ed_sign1"),
        ("xeddsa", "", "seed"),
        (
            "x3dh_twomemo",
            "/initial_message/responder_session",
            "receiving_chain",
        ),
        ("ratchet_twomemo", "", "max_stored"),
        ("ratchet_twomemo", "/final_state", "b"),
        ("messages_twomemo", "/steps/0/keys/0", "sender_session_before"),
        ("messages_twomemo", "/steps/0/keys/0", "chosen_pre_key_id"),
        ("messages_twomemo", "/steps/1", "plaintext"),
    ] {
        let what = wrong(set, 0, remove(place, field));
        assert!(what.contains(&format!("missing field `{field}`")), "{what}");
    }
}

#[test]
fn where_nothing_happens_nothing_passes() {
    wrong("xeddsa", 0, |case| case["signatures"] = json!([]));
    wrong("xeddsa", 0, |case| case["signatures"][0]["verify"] = json!([]));
    wrong("ratchet_twomemo", 0, |case| case["events"] = json!([]));
    wrong("messages_twomemo", 0, |case| case["steps"] = json!([]));
    for set in ["xeddsa", "ratchet_twomemo"] {
        let mut empty = recorded(set);
        empty["cases"] = json!([]);
        assert_eq!(replay(&empty).failed.len(), 1);
        empty["count"] = json!(0);
        assert_eq!(replay(&empty).failed.len(), 1);
    }
    assert!(!Report::default().is_success());
}

#[test]
fn a_secret_too_few_or_too_many_fails() {
    let few = |case: &mut Value| case["steps"][1]["generated_ratchet_privs"] = json!([]);
    assert!(wrong("messages_twomemo", 0, few).contains("that are not recorded"));
    let many = |case: &mut Value| {
        let secrets = case["steps"][1]["generated_ratchet_privs"]
            .as_array_mut()
            .unwrap();
        secrets.push(json!("00".repeat(32)));
    };
    assert!(wrong("messages_twomemo", 0, many).contains("were not drawn"));
}

#[test]
fn a_refusal_that_is_expected_in_vain_fails() {
    let refuse = |case: &mut Value| {
        let deliver = &mut case["steps"][1];
        deliver["expect"] = json!("fail");
    };
    assert!(wrong("messages_twomemo", 0, refuse).contains("it was not refused"));
    let refuse = |case: &mut Value| {
        let events = case["events"].as_array_mut().unwrap();
        let deliver = events.iter_mut().find(|event| event["op"] == "deliver").unwrap();
        deliver["expect"] = json!("fail");
        deliver["discarded_ratchet_priv"] = deliver["generated_ratchet_priv"].take();
    };
    assert!(wrong("ratchet_twomemo", 0, refuse).contains("it was not refused"));
}

#[test]
fn limits_are_those_of_the_case() {
    let ratchet = recorded("ratchet_twomemo");
    let cases = ratchet["cases"].as_array().unwrap();
    let index = |kind| cases.iter().position(|case| case["kind"] == kind).unwrap();
    wrong("ratchet_twomemo", index("per_message_limit"), |case| {
        case["max_skip"] = json!(1000);
    });
    wrong("ratchet_twomemo", index("stored_key_eviction"), |case| {
        case["max_stored"] = json!(1000);
    });
}
