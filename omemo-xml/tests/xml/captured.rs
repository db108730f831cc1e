//! What other implementations sent.

use std::fs;
use std::path::{Path, PathBuf};

use minidom::Element;
use omemo_sansio::{DeviceId, EncryptedMessage};
use omemo_xml::{Format, legacy, omemo2, parse, sce, write};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/stanzas")
}

fn stanza(name: &str) -> Element {
    parse(&fs::read_to_string(directory().join(name)).unwrap()).unwrap()
}

/// The first element of this name and namespace, wherever it stands.
fn find<'a>(element: &'a Element, name: &str, namespace: &str) -> Option<&'a Element> {
    if element.is(name, namespace) {
        return Some(element);
    }
    element.children().find_map(|child| find(child, name, namespace))
}

fn message(format: Format, name: &str) -> EncryptedMessage {
    let stanza = stanza(name);
    let encrypted = find(&stanza, "encrypted", format.namespace().as_str());
    format.encrypted_from_xml(encrypted.unwrap()).unwrap()
}

/// Every element that matters, by content: name, attributes in order of their names, text, children in order of their
/// ids; so that two can be compared whatever the order they came in.
fn content(element: &Element) -> String {
    let attributes = element
        .attrs()
        .iter()
        .map(|((_, name), value)| format!(" {name}={value}"));
    let mut children: Vec<String> = element.children().map(content).collect();
    children.sort();
    format!(
        "<{}{}>{}{}",
        element.name(),
        attributes.collect::<String>(),
        element.text().trim(),
        children.concat()
    )
}

/// Reads and writes what a stanza holds; false if it holds nothing of the format. What was written holds what was read,
/// and, if `exact`, is the same XML.
fn comes_back(format: Format, stanza: &Element, exact: bool) -> bool {
    let namespace = format.namespace();
    let find = |name| find(stanza, name, namespace.as_str());
    let (written, element) = if let Some(element) = find("devices").or_else(|| find("list")) {
        let list = format.device_list_from_xml(element).unwrap();
        let written = format.device_list_to_xml(&list);
        assert_eq!(format.device_list_from_xml(&written).unwrap(), list);
        (written, element)
    } else if let Some(element) = find("bundle") {
        let bundle = format.bundle_from_xml(element).unwrap();
        let written = format.bundle_to_xml(&bundle);
        assert_eq!(format.bundle_from_xml(&written).unwrap(), bundle);
        (written, element)
    } else if let Some(element) = find("encrypted") {
        let message = format.encrypted_from_xml(element).unwrap();
        let written = format.encrypted_to_xml(&message).unwrap();
        assert_eq!(format.encrypted_from_xml(&written).unwrap(), message);
        (written, element)
    } else {
        return false;
    };
    assert_eq!(content(&written) == content(element), exact);
    true
}

#[test]
fn all_parse_and_come_back() {
    let mut seen = [0, 0];
    for entry in fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".xml") {
            continue;
        }
        println!("{name}");
        let stanza = stanza(&name);
        assert_eq!(parse(&write(&stanza).unwrap()).unwrap(), stanza, "{name}");
        // QXmpp writes labels without a signature, which are ignored.
        let exact = !name.starts_with("qxmpp-new-devicelist");
        let found = [Format::Omemo2, Format::Legacy].map(|format| comes_back(format, &stanza, exact));
        assert_eq!(found.contains(&true), !name.contains("-fetch-"), "{name}");
        for (seen, found) in seen.iter_mut().zip(found) {
            *seen += u32::from(found);
        }
    }
    assert_eq!(seen, [20, 18]);
}

#[test]
fn bundles_hold_their_keys() {
    for (name, pre_keys, first) in [
        ("new-bundle-publish.xml", 100, 0x81),
        ("new-bundle-result.xml", 100, 0x81),
        ("qxmpp-new-bundle-publish.xml", 100, 0x46),
    ] {
        let stanza = stanza(name);
        let bundle = omemo2::bundle_from_xml(find(&stanza, "bundle", omemo2::NAMESPACE).unwrap()).unwrap();
        assert_eq!(bundle.pre_keys.len(), pre_keys, "{name}");
        assert_eq!(bundle.signed_pre_key.id.get(), 1, "{name}");
        assert_eq!(bundle.identity_key.ed25519()[0], first, "{name}");
    }
}

#[test]
fn legacy_bundles_hold_their_keys() {
    for (name, pre_keys, first, sign) in [
        ("old-bundle-publish.xml", 100, 0xe6, 0),
        ("old-bundle-result.xml", 100, 0xe6, 0),
        ("profanity-old-bundle-publish.xml", 100, 0x9d, 1),
    ] {
        let stanza = stanza(name);
        let bundle = legacy::bundle_from_xml(find(&stanza, "bundle", legacy::NAMESPACE).unwrap()).unwrap();
        assert_eq!(bundle.pre_keys.len(), pre_keys, "{name}");
        assert_eq!(bundle.signed_pre_key.id.get(), 1, "{name}");
        assert_eq!(bundle.identity_key.curve25519().as_bytes()[0], first, "{name}");
        assert_eq!(bundle.identity_key.ed25519()[31] >> 7, sign, "{name}");
        // The signature verifies with the sign that came with it, over the key as it stands on the wire.
        let mut signed = vec![5];
        signed.extend(bundle.signed_pre_key.key.as_bytes());
        let signature = bundle.signed_pre_key.signature;
        assert_eq!(bundle.identity_key.verify(&signed, &signature), Ok(()), "{name}");
    }
}

#[test]
fn one_account_shows_one_identity_in_both_formats() {
    let read = |format: Format, name: &str| {
        let stanza = stanza(name);
        let element = find(&stanza, "bundle", format.namespace().as_str());
        format.bundle_from_xml(element.unwrap()).unwrap().identity_key
    };
    let new = read(Format::Omemo2, "new-bundle-result.xml");
    let old = read(Format::Legacy, "old-bundle-result.xml");
    assert_eq!(new, old);
    assert_eq!(new.ed25519(), old.ed25519());
}

#[test]
fn legacy_messages_hold_their_keys() {
    let muc = message(Format::Legacy, "profanity-old-message-muc-kex.xml");
    assert_eq!(muc.sender_device, DeviceId::new(351_403_944));
    let keys: Vec<_> = muc.recipients[0]
        .keys
        .iter()
        .map(|key| (key.device.get(), key.key_exchange, key.data[0]))
        .collect();
    // Each device stands twice.
    assert_eq!(
        keys,
        [
            (814_512_917, true, 0x33),
            (1_230_732_949, false, 0x33),
            (814_512_917, true, 0x33),
            (1_230_732_949, false, 0x33),
        ]
    );
    let muc = message(Format::Legacy, "old-message-muc-kex.xml");
    assert_eq!(muc.recipients.len(), 1);
    assert_eq!(muc.recipients[0].keys.len(), 3);
    assert_eq!(muc.payload.as_ref().unwrap().iv.as_ref().unwrap().len(), 12);
    assert_eq!(muc, message(Format::Legacy, "old-message-muc-received.xml"));
    let empty = message(Format::Legacy, "old-message-empty-kex.xml");
    assert_eq!(empty.content(), None);
    assert_eq!(empty.payload.unwrap().iv.unwrap().len(), 12);
}

#[test]
fn messages_hold_their_keys() {
    let muc = message(Format::Omemo2, "new-message-muc-kex.xml");
    assert_eq!(muc.sender_device, DeviceId::new(1_005_187_506));
    let keys: Vec<_> = muc
        .recipients
        .iter()
        .map(|group| {
            let key = &group.keys[0];
            (
                group.jid.as_ref().unwrap().as_str(),
                key.device.get(),
                key.key_exchange,
                key.data[0],
            )
        })
        .collect();
    assert_eq!(
        keys,
        [
            ("alice@localhost", 1_514_215_190, true, 0x08),
            ("carol@localhost", 1_607_431_593, true, 0x08),
            ("bob@localhost", 938_601_757, false, 0x0a),
        ]
    );
    assert!(muc.payload.is_some());
    assert_eq!(muc, message(Format::Omemo2, "new-message-muc-received.xml"));

    assert!(
        message(Format::Omemo2, "new-message-empty-kex.xml")
            .payload
            .is_none()
    );
    assert!(
        message(Format::Omemo2, "qxmpp-new-message-empty-nokex.xml")
            .payload
            .is_none()
    );
}

#[test]
fn an_unmarked_key_exchange_keeps_its_bytes() {
    let message = message(Format::Omemo2, "qxmpp-new-message-kex-UNMARKED.xml");
    let key = &message.recipients[0].keys[0];
    assert!(!key.key_exchange);
    assert_eq!(key.data[0], 0x08);
}

#[test]
fn the_plaintext_of_the_fixture_is_an_envelope() {
    let fixture: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(directory().join("fixture.json")).unwrap()).unwrap();
    let envelope =
        sce::Envelope::from_bytes(fixture["new"]["plaintext"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(envelope.content[0].text(), "kex while away urn:xmpp:omemo:2");
    assert!(envelope.content[0].is("body", "jabber:client"));
    assert_eq!(envelope.from.as_deref(), Some("alice@localhost"));
    assert_eq!(envelope.to, None);
    assert_eq!(envelope.time.unwrap().unix(), 1_795_218_296);
    assert!(envelope.padded);
}
