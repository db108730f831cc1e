//! What other implementations sent.

use std::fs;
use std::path::{Path, PathBuf};

use minidom::Element;
use omemo_sansio::{DeviceId, EncryptedMessage};
use omemo_xml::omemo2::{self, NAMESPACE};
use omemo_xml::{parse, sce, write};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/stanzas")
}

fn stanza(name: &str) -> Element {
    parse(&fs::read_to_string(directory().join(name)).unwrap()).unwrap()
}

/// The first element of this name, wherever it stands.
fn find<'a>(element: &'a Element, name: &str) -> Option<&'a Element> {
    if element.is(name, NAMESPACE) {
        return Some(element);
    }
    element.children().find_map(|child| find(child, name))
}

fn message(name: &str) -> EncryptedMessage {
    let stanza = stanza(name);
    omemo2::encrypted_from_xml(find(&stanza, "encrypted").unwrap()).unwrap()
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

#[test]
fn all_parse_and_come_back() {
    let mut seen = 0;
    for entry in fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".xml") {
            continue;
        }
        let stanza = stanza(&name);
        assert_eq!(parse(&write(&stanza).unwrap()).unwrap(), stanza, "{name}");
        if let Some(element) = find(&stanza, "devices") {
            let list = omemo2::device_list_from_xml(element).unwrap();
            let written = omemo2::device_list_to_xml(&list);
            assert_eq!(omemo2::device_list_from_xml(&written).unwrap(), list, "{name}");
            // QXmpp writes labels without a signature, which are ignored.
            if !name.starts_with("qxmpp") {
                assert_eq!(content(&written), content(element), "{name}");
            }
        } else if let Some(element) = find(&stanza, "bundle") {
            let bundle = omemo2::bundle_from_xml(element).unwrap();
            let written = omemo2::bundle_to_xml(&bundle);
            assert_eq!(omemo2::bundle_from_xml(&written).unwrap(), bundle, "{name}");
            assert_eq!(content(&written), content(element), "{name}");
        } else if let Some(element) = find(&stanza, "encrypted") {
            let message = omemo2::encrypted_from_xml(element).unwrap();
            let written = omemo2::encrypted_to_xml(&message).unwrap();
            assert_eq!(omemo2::encrypted_from_xml(&written).unwrap(), message, "{name}");
            assert_eq!(content(&written), content(element), "{name}");
        } else {
            assert!(name.contains("-fetch-"), "{name}");
            continue;
        }
        seen += 1;
    }
    assert_eq!(seen, 20);
}

#[test]
fn bundles_hold_their_keys() {
    for (name, pre_keys, first) in [
        ("new-bundle-publish.xml", 100, 0x81),
        ("new-bundle-result.xml", 100, 0x81),
        ("qxmpp-new-bundle-publish.xml", 100, 0x46),
    ] {
        let stanza = stanza(name);
        let bundle = omemo2::bundle_from_xml(find(&stanza, "bundle").unwrap()).unwrap();
        assert_eq!(bundle.pre_keys.len(), pre_keys, "{name}");
        assert_eq!(bundle.signed_pre_key.id.get(), 1, "{name}");
        assert_eq!(bundle.identity_key.ed25519()[0], first, "{name}");
    }
}

#[test]
fn messages_hold_their_keys() {
    let muc = message("new-message-muc-kex.xml");
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
    assert_eq!(muc, message("new-message-muc-received.xml"));

    assert!(message("new-message-empty-kex.xml").payload.is_none());
    assert!(message("qxmpp-new-message-empty-nokex.xml").payload.is_none());
}

#[test]
fn an_unmarked_key_exchange_keeps_its_bytes() {
    let message = message("qxmpp-new-message-kex-UNMARKED.xml");
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
