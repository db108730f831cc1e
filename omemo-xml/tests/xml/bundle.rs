//! `<bundle>`, case by case.

use omemo_sansio::keys::InvalidKey;
use omemo_sansio::{Bundle, MAX_BUNDLE_PRE_KEYS, PreKeyId};
use omemo_xml::XmlError;
use omemo_xml::omemo2::{bundle_from_xml, bundle_to_xml};

use crate::element;

/// A key that occurs in the captured stanzas.
const IK: &str = "<ik>gZqMoHjBi8k8v5AWHcEheAJC57n8JIQceigarPtCZCQ=</ik>";
const SPK: &str = "<spk id='1'>9QabKnizevh8D4Js0hzG9dTv5tArByoW8xbVW7I0Kzg=</spk>";
const SPKS: &str =
    "<spks>zLoDn4yvVSavuEGzAvT/9gK4DpirOZAo7LcXkxpRhsQRHilI+Ag7TP6edrKUdIw8R1B9dz0wTj06yik5gR/MBg==</spks>";
const PK: &str = "jOh7eZcoGqty4rY+4o5NMIbJKhYUudeiIl/8BLhpiW4=";

fn bundle(parts: &[&str]) -> Result<Bundle, XmlError> {
    bundle_from_xml(&element(&format!(
        "<bundle xmlns='urn:xmpp:omemo:2'>{}</bundle>",
        parts.concat()
    )))
}

fn with_pre_keys(pre_keys: &str) -> Result<Bundle, XmlError> {
    bundle(&[IK, SPK, SPKS, &format!("<prekeys>{pre_keys}</prekeys>")])
}

fn ids(bundle: &Bundle) -> Vec<u32> {
    bundle.pre_keys.keys().map(|id| id.get()).collect()
}

#[test]
fn each_part_is_needed_and_named() {
    let prekeys = format!("<prekeys><pk id='3'>{PK}</pk></prekeys>");
    let parts = [("ik", IK), ("spk", SPK), ("spks", SPKS), ("prekeys", &prekeys)];
    for (missing, _) in parts {
        let others: Vec<&str> = parts
            .iter()
            .filter(|(name, _)| *name != missing)
            .map(|(_, part)| *part)
            .collect();
        assert_eq!(
            bundle(&others),
            Err(XmlError::MissingElement {
                parent: "bundle",
                element: missing
            })
        );
    }
    let whole = bundle(&[&prekeys, SPKS, SPK, IK]).unwrap();
    assert_eq!(whole, bundle(&[IK, SPK, SPKS, &prekeys]).unwrap());
    assert_eq!(bundle_from_xml(&bundle_to_xml(&whole)).unwrap(), whole);
}

#[test]
fn errors_say_what_and_where() {
    let error = |part: &str| {
        bundle(&[part, IK, SPK, SPKS, "<prekeys/>"])
            .unwrap_err()
            .to_string()
    };
    assert_eq!(error("<ik>A===?</ik>"), "the text of <ik> is not base64");
    assert_eq!(error("<ik>AAAA</ik>"), "<ik> holds 3 bytes instead of 32");
    assert_eq!(error("<spk>AAAA</spk>"), "<spk> has no attribute id");
    assert_eq!(
        error("<spk id='-1'>AAAA</spk>"),
        "the attribute id of <spk> is not an integer from 0 to 4294967295"
    );
    assert_eq!(
        error("<spk id='0'>AAAA</spk>"),
        "<spk> holds 3 bytes instead of 32"
    );
    assert_eq!(
        error(&format!("<spk id='0'>BUFB{PK}</spk>")),
        "<spk> holds 35 bytes instead of 32"
    );
    assert_eq!(error("<spks/>"), "<spks> holds 0 bytes instead of 64");
    assert_eq!(error("<spk id='0'>!</spk>"), "the text of <spk> is not base64");
}

#[test]
fn an_identity_key_of_33_bytes_is_refused() {
    let legacy = format!("<ik>BY{}</ik>", "A".repeat(42));
    assert_eq!(
        bundle(&[&legacy, SPK, SPKS, "<prekeys/>"]),
        Err(XmlError::WrongLength {
            element: "ik",
            expected: 32,
            actual: 33
        })
    );
}

#[test]
fn an_identity_key_that_is_no_point_is_refused() {
    // y = 2 is on no point of the curve.
    let error = bundle(&[
        &format!("<ik>Ag{}=</ik>", "A".repeat(41)),
        SPK,
        SPKS,
        "<prekeys/>",
    ])
    .unwrap_err();
    let XmlError::InvalidKey {
        element: "ik",
        source,
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(source, InvalidKey::NotOnCurve);
}

#[test]
fn without_a_valid_pre_key_there_is_no_bundle() {
    let none = Err(XmlError::NoPreKeys { element: "prekeys" });
    assert_eq!(with_pre_keys(""), none);
    assert_eq!(with_pre_keys("<pk id='1'>AAAA</pk>"), none);
    assert_eq!(with_pre_keys(&format!("<pk id='-1'>{PK}</pk>")), none);
    assert_eq!(with_pre_keys(&format!("<pk>{PK}</pk>")), none);
    assert_eq!(
        with_pre_keys(&format!("<pk xmlns='urn:example' id='1'>{PK}</pk>")),
        none
    );
}

#[test]
fn malformed_pre_keys_are_skipped_and_of_two_the_first_counts() {
    let other = "STYRYHGqAPAH6FyJa49ouRHzt2CH37zbBP2kRXYPrUo=";
    let bundle = with_pre_keys(&format!(
        "<pk id='7'>{PK}</pk><pk id='7'>{other}</pk><pk id='8'>?</pk><pk id='9'>{other}{other}</pk>
         <pk id='0'>{other}</pk><pk id='4294967295'>{other}</pk><pk id='4294967296'>{other}</pk>"
    ))
    .unwrap();
    assert_eq!(ids(&bundle), [0, 7, 4_294_967_295]);
    assert_eq!(bundle.pre_keys[&PreKeyId::new(7)].as_bytes()[0], 0x8c);
}

#[test]
fn past_the_limit_the_rest_is_cut() {
    let all: String = (1..=MAX_BUNDLE_PRE_KEYS + 50)
        .map(|id| format!("<pk id='{id}'>{PK}</pk>"))
        .collect();
    let bundle = with_pre_keys(&all).unwrap();
    assert_eq!(bundle.pre_keys.len(), MAX_BUNDLE_PRE_KEYS);
    assert_eq!(bundle.pre_keys.keys().next_back().unwrap().get(), 1000);
}

#[test]
fn base64_may_hold_whitespace_and_lack_padding() {
    let (head, tail) = PK.split_at(20);
    let spaced = with_pre_keys(&format!("<pk id='3'>\n  {head}\r\n\t{tail}\n</pk>")).unwrap();
    assert_eq!(spaced, with_pre_keys(&format!("<pk id='3'>{PK}</pk>")).unwrap());
    let unpadded = with_pre_keys(&format!("<pk id='3'>{}</pk>", PK.trim_end_matches('='))).unwrap();
    assert_eq!(unpadded, spaced);
}

#[test]
fn the_bytes_of_the_identity_key_are_kept() {
    // The same point with the sign of the other: equal as identities, but not the same bytes.
    let negative = "<ik>gZqMoHjBi8k8v5AWHcEheAJC57n8JIQceigarPtCZKQ=</ik>";
    let pre_keys = format!("<prekeys><pk id='3'>{PK}</pk></prekeys>");
    let one = bundle(&[IK, SPK, SPKS, &pre_keys]).unwrap();
    let two = bundle(&[negative, SPK, SPKS, &pre_keys]).unwrap();
    assert_eq!(one.identity_key, two.identity_key);
    for bundle in [one, two] {
        let read = bundle_from_xml(&bundle_to_xml(&bundle)).unwrap();
        assert_eq!(read.identity_key.ed25519(), bundle.identity_key.ed25519());
    }
}

#[test]
fn another_element_is_refused() {
    let found = bundle_from_xml(&element("<bundle xmlns='eu.siacs.conversations.axolotl'/>"));
    assert_eq!(
        found,
        Err(XmlError::WrongElement {
            element: "bundle",
            namespace: "urn:xmpp:omemo:2"
        })
    );
}
