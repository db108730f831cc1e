//! What is unknown is ignored wherever it stands (RFC 6120, section 8.4).

use std::fmt::Debug;

use minidom::Element;
use omemo_xml::{Format, XmlError, trust_message_from_xml, write};

use crate::element;

const FOREIGN: &str = "urn:example";

/// Attributes of other namespaces that are called like ours, and one that is called like none.
const ATTRIBUTES: &str = " unknown='true' xmlns:f='urn:example' f:id='true' f:sid='true' f:rid='true' f:jid='true' \
    f:kex='true' f:prekey='true' f:label='true' f:labelsig='true' f:preKeyId='true' f:signedPreKeyId='true' f:usage='true' \
    f:encryption='true'";

/// Reads a document with something unknown at one place, for each place there is: attributes in each start tag, and an
/// element before, after and within each text and each element. It has to be the same with and without. `other` is a
/// document of the same kind that says something else: what it is made of is good, and counts for nothing there.
fn assert_ignored<T: Debug + PartialEq>(
    document: &str,
    other: &str,
    read: impl Fn(&Element) -> Result<T, XmlError>,
) {
    let (expected, other) = (read(&element(document)), element(other));
    let unexpected = read(&other);
    assert!(
        expected.is_ok() && unexpected.is_ok(),
        "{expected:?}, {unexpected:?}"
    );
    assert_ne!(unexpected, expected);
    let elements = [
        format!("<unknown>{}</unknown>", write(&other).unwrap()),
        format!(
            "<unknown xmlns='{FOREIGN}'>AAAA{}</unknown>",
            write(&other).unwrap()
        ),
        // Called like ours, but another's.
        parts(&other).concat().replace(&other.ns(), FOREIGN),
    ];
    let attributes = [ATTRIBUTES.to_owned()];
    let mut places = [0, 0];
    for (at, next) in document.char_indices().skip(1) {
        let (before, after) = document.split_at(at);
        let last_tag = before.rfind('<').map_or("", |begin| &before[begin..]);
        let unknown = match (last_tag.contains('>'), next) {
            (true, _) => &elements[..],
            (false, '>') if !last_tag.starts_with("</") => &attributes[..],
            (false, _) => continue,
        };
        places[usize::from(next == '>')] += 1;
        for unknown in unknown {
            let changed = format!("{before}{unknown}{after}");
            assert_eq!(read(&element(&changed)), expected, "{changed}");
        }
    }
    assert!(!places.contains(&0), "{places:?}");
}

/// Each element below this one, by itself.
fn parts(element: &Element) -> Vec<String> {
    let mut all = Vec::new();
    for child in element.children() {
        all.push(write(child).unwrap());
        all.extend(parts(child));
    }
    all
}

/// Two signatures, which are not looked at.
const SIGNATURES: [&str; 2] = [
    "zLoDn4yvVSavuEGzAvT/9gK4DpirOZAo7LcXkxpRhsQRHilI+Ag7TP6edrKUdIw8R1B9dz0wTj06yik5gR/MBg==",
    "xIHtbxSAW7/lKS+pAwzW+LCWusQZaVSVRLLpyKS7MwoOZIL88p7bVVl7faU4YpcRGJf/EShmFAYZ2pZ8MITBAw==",
];

#[test]
fn is_ignored_in_a_device_list() {
    let [document, other] = [1, 2].map(|id: usize| {
        let signature = SIGNATURES[id - 1];
        format!(
            "<devices xmlns='urn:xmpp:omemo:2'><device id='{id}'></device>\
             <device id='{id}3' label='{id}' labelsig='{signature}'></device></devices>"
        )
    });
    assert_ignored(&document, &other, |element| {
        Format::Omemo2.device_list_from_xml(element)
    });
}

#[test]
fn is_ignored_in_a_legacy_device_list() {
    let [document, other] = [1, 2].map(|id| {
        format!(
            "<list xmlns='eu.siacs.conversations.axolotl'><device id='{id}'></device><device id='{id}3'></device></list>"
        )
    });
    assert_ignored(&document, &other, |element| {
        Format::Legacy.device_list_from_xml(element)
    });
}

#[test]
fn is_ignored_in_a_bundle() {
    let keys = [
        "gZqMoHjBi8k8v5AWHcEheAJC57n8JIQceigarPtCZCQ=",
        // That of RFC 8032, section 7.1, test 1.
        "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    ];
    let [document, other] = [1, 2].map(|id: usize| {
        let (key, signature) = (keys[id - 1], SIGNATURES[id - 1]);
        format!(
            "<bundle xmlns='urn:xmpp:omemo:2'><spk id='{id}'>{key}</spk><spks>{signature}</spks><ik>{key}</ik>\
             <prekeys><pk id='{id}'>{key}</pk><pk id='{id}3'>{key}</pk></prekeys></bundle>"
        )
    });
    assert_ignored(&document, &other, |element| {
        Format::Omemo2.bundle_from_xml(element)
    });
}

#[test]
fn is_ignored_in_a_legacy_bundle() {
    let keys = [
        "BeatUrPtJHkuJEfFPbi86DrZmEYc5nUAH4Hpsbm038gO",
        "BT4qMZvkMitYgqx55hVxOnza3s40ZnVQpHz6gretQzRS",
    ];
    let [document, other] = [1, 2].map(|id: usize| {
        let (key, signature) = (keys[id - 1], SIGNATURES[id - 1]);
        format!(
            "<bundle xmlns='eu.siacs.conversations.axolotl'>\
             <signedPreKeyPublic signedPreKeyId='{id}'>{key}</signedPreKeyPublic>\
             <signedPreKeySignature>{signature}</signedPreKeySignature><identityKey>{key}</identityKey>\
             <prekeys><preKeyPublic preKeyId='{id}'>{key}</preKeyPublic></prekeys></bundle>"
        )
    });
    assert_ignored(&document, &other, |element| {
        Format::Legacy.bundle_from_xml(element)
    });
}

#[test]
fn is_ignored_in_a_message() {
    let [document, other] = [(1, "AQID"), (2, "BAUG")].map(|(id, data)| {
        format!(
            "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='{id}'><keys jid='{id}@b'>\
             <key rid='{id}' kex='true'>{data}</key><key rid='{id}3'>{data}</key></keys></header>\
             <payload>{data}</payload></encrypted>"
        )
    });
    assert_ignored(&document, &other, |element| {
        Format::Omemo2.encrypted_from_xml(element)
    });
}

/// Without a payload, a foreign one is none.
#[test]
fn is_ignored_in_an_empty_message() {
    let empty = "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'><keys jid='a@b'><key rid='2'>AQID</key></keys></header>\
        </encrypted>";
    let other = "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='3'/><payload>AAAA</payload></encrypted>";
    assert_ignored(empty, other, |element| Format::Omemo2.encrypted_from_xml(element));
}

#[test]
fn is_ignored_in_a_legacy_message() {
    let [document, other] = [(1, "AQID"), (2, "BAUG")].map(|(id, data)| {
        format!(
            "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='{id}'>\
             <key rid='{id}' prekey='true'>{data}</key><key rid='{id}3'>{data}</key><iv>{data}</iv></header>\
             <payload>{data}</payload></encrypted>"
        )
    });
    assert_ignored(&document, &other, |element| {
        Format::Legacy.encrypted_from_xml(element)
    });
}

#[test]
fn is_ignored_in_a_trust_message() {
    let keys = [
        "aFABnX7Q/rbTgjBySYzrT2FsYCVYb49mbca5yB734KQ=",
        "IhpPjiKLchgrAG5cpSfTvdzPjZ5v6vTOluHEUehkgCA=",
    ];
    let [document, other] = keys.map(|key| {
        format!(
            "<trust-message xmlns='urn:xmpp:tm:1' usage='urn:xmpp:atm:1' encryption='urn:xmpp:omemo:2'>\
             <key-owner jid='a@b'><trust>{key}</trust><distrust>{key}</distrust></key-owner></trust-message>"
        )
    });
    assert_ignored(&document, &other, trust_message_from_xml);
}
