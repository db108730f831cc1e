//! What was serialised says by which version of the form: those that have the same fields are read, others are refused, since
//! they may mean something else by them.

use omemo_import::{ImportError, Levels, Problem, Reading, python_omemo, python_omemo_legacy};
use serde_json::{Value, json};

use crate::robustness::{current, legacy};

/// What all recorded values have been written by.
const RECORDED: &str = "1.0.0";

const UNKNOWN: [&str; 7] = ["2.0.0", "1.1.0", "1.0.2", "0.9.0", "1.0", "1.0.0 ", ""];

fn read(source: &Value) -> Result<Reading, ImportError> {
    python_omemo::read(&serde_json::to_vec(source).unwrap(), None, &Levels::default())
}

/// The names of the values in a storage that say by which version they were written: those of X3DH and of the double ratchet,
/// in both protocols.
fn versioned(source: &Value) -> Vec<String> {
    let values = source.as_object().unwrap().iter();
    let versioned = values.filter(|(_, value)| value.get("version").is_some());
    versioned.map(|(name, _)| name.clone()).collect()
}

#[test]
fn versions_with_the_same_fields_are_read_alike() {
    let mut source = current();
    let names = versioned(&source);
    for namespace in ["urn:xmpp:omemo:2", "eu.siacs.conversations.axolotl"] {
        for kind in ["/x3dh", "/double_ratchet"] {
            let is_one = |name: &String| name.contains(namespace) && name.ends_with(kind);
            assert!(names.iter().any(is_one), "{namespace}{kind}");
        }
    }
    let recorded = read(&source).unwrap().account;
    for name in &names {
        assert_eq!(source[name]["version"], RECORDED);
        source[name]["version"] = json!("1.0.1");
    }
    let newer = read(&source).unwrap().account;
    assert!(newer.sessions() > 0);
    assert_eq!(newer.sessions(), recorded.sessions());
    assert_eq!(newer.skipped_keys(), recorded.skipped_keys());
    assert_eq!(newer.protocols.len(), 2);
    for (namespace, protocol) in &newer.protocols {
        let ids = protocol.pre_keys.keys();
        assert!(ids.eq(recorded.protocols[namespace].pre_keys.keys()));
    }
}

#[test]
fn unknown_versions_are_refused_wherever_they_stand() {
    let whole = current();
    for name in versioned(&whole) {
        for version in UNKNOWN {
            let mut source = whole.clone();
            source[&name]["version"] = json!(version);
            let error = read(&source).unwrap_err();
            assert_eq!(error.problem, Problem::Version(version.to_owned()));
            assert_eq!(error.place, format!("{name}: version"));
        }
        let mut source = whole.clone();
        source[&name].as_object_mut().unwrap().remove("version");
        assert_eq!(read(&source).unwrap_err().problem, Problem::Missing);
    }
}

/// Before 1.0 values had no version; those that have one are of the form that later versions write.
#[test]
fn unknown_versions_are_refused_in_storages_from_before_1_0() {
    for version in UNKNOWN {
        let mut source = legacy();
        source["sessions"]["bob@example.org"]["2002"]["super"]["version"] = json!(version);
        let error = python_omemo_legacy::read(&serde_json::to_vec(&source).unwrap()).unwrap_err();
        assert_eq!(error.problem, Problem::Version(version.to_owned()));
        assert_eq!(error.place, "sessions: bob@example.org: 2002: super: version");
    }
}
