//! Damaged sources: an error that names a place, never a panic.

use omemo_import::{Levels, python_omemo, python_omemo_legacy};
use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) fn legacy() -> Value {
    let fixture: Value = serde_json::from_str(include_str!("../data/python_omemo_0_14.json")).unwrap();
    fixture["storage"].clone()
}

pub(crate) fn current() -> Value {
    let dump: Value = serde_json::from_str(include_str!(
        "../../../conformance/vectors/storage_import/dump_2.json"
    ))
    .unwrap();
    dump["devices"][2]["storage"].clone()
}

/// Every place in a value, by the names and indices that lead to it.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| places(value, &format!("{at}/{}", escaped(name)), all)),
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .for_each(|(index, value)| places(value, &format!("{at}/{index}"), all)),
        _ => {}
    }
    all.push(at.to_owned());
}

/// Values that a damaged source might have anywhere.
fn damage() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!({})),
        Just(json!([])),
        Just(json!(-1)),
        Just(json!(u64::MAX)),
        Just(json!("")),
        Just(json!("AAAA")),
        Just(json!("\u{100}")),
        any::<String>().prop_map(Value::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damage_is_refused_or_harmless(index: prop::sample::Index, damaged in damage()) {
        for (mut source, read) in [
            (current(), read_current as fn(&[u8]) -> bool),
            (legacy(), read_legacy),
        ] {
            let mut all = Vec::new();
            places(&source, "", &mut all);
            let place = all[index.index(all.len())].clone();
            *source.pointer_mut(&place).unwrap() = damaged.clone();
            let _ = read(&serde_json::to_vec(&source).unwrap());
        }
    }

    #[test]
    fn nonsense_is_refused(bytes: Vec<u8>) {
        prop_assert!(!read_current(&bytes));
        prop_assert!(!read_legacy(&bytes));
    }
}

fn read_current(json: &[u8]) -> bool {
    python_omemo::read(json, None, &Levels::default()).is_ok()
}

fn read_legacy(json: &[u8]) -> bool {
    python_omemo_legacy::read(json).is_ok()
}

/// Without any of its values but those that may be missing, a storage is refused with the name of what is missing.
#[test]
fn what_is_missing_is_named() {
    let whole = current();
    assert!(read_current(&serde_json::to_vec(&whole).unwrap()));
    let names: Vec<_> = whole.as_object().unwrap().keys().cloned().collect();
    let mut refused = 0;
    for name in names {
        let mut source = whole.clone();
        source.as_object_mut().unwrap().remove(&name);
        if let Err(error) =
            python_omemo::read(&serde_json::to_vec(&source).unwrap(), None, &Levels::default())
        {
            assert!(error.place == name || error.place == "the source", "{error}");
            refused += 1;
        } else {
            let may_be_missing = [
                "/key_exchange/pre_key",
                "/key_exchange/signed_pre_key",
                "/key_exchange/identity_key",
                "/trust/",
                "/queue/",
                "/label",
                "/identity_key",
                "/list",
                "/x3dh",
                "/bare_jids",
                "/device_ids",
                "/double_ratchet",
            ];
            assert!(may_be_missing.iter().any(|part| name.contains(part)), "{name}");
        }
    }
    assert!(refused > 30, "{refused}");
}
