//! `<encrypted>`.

use omemo_sansio::{
    BareJid, DeviceId, EncryptedMessage, KeyElement, MAX_KEY_ELEMENTS, Namespace, Payload, RecipientKeys,
};
use omemo_xml::XmlError;
use omemo_xml::legacy::{encrypted_from_xml, encrypted_to_xml};

use crate::element;

fn encrypted(inner: &str) -> Result<EncryptedMessage, XmlError> {
    encrypted_from_xml(&element(&format!(
        "<encrypted xmlns='eu.siacs.conversations.axolotl'>{inner}</encrypted>"
    )))
}

fn with_header(inner: &str) -> Result<EncryptedMessage, XmlError> {
    encrypted(&format!("<header sid='1'>{inner}</header>"))
}

fn key(device: u32, data: &[u8]) -> KeyElement {
    KeyElement {
        device: DeviceId::new(device),
        key_exchange: false,
        data: data.to_vec(),
    }
}

/// The key elements; none, or all in one group without JID.
fn keys(message: &EncryptedMessage) -> &[KeyElement] {
    match message.recipients.as_slice() {
        [] => &[],
        [RecipientKeys { jid: None, keys }] => keys,
        others => panic!("{others:?}"),
    }
}

fn message(payload: Option<Payload>) -> EncryptedMessage {
    EncryptedMessage {
        namespace: Namespace::LEGACY,
        sender_device: DeviceId::new(1),
        recipients: vec![RecipientKeys {
            jid: None,
            keys: vec![key(2, b"key")],
        }],
        payload,
    }
}

#[test]
fn header_and_sender_are_needed() {
    assert_eq!(
        encrypted("<payload>AAAA</payload>"),
        Err(XmlError::MissingElement {
            parent: "encrypted",
            element: "header"
        })
    );
    assert_eq!(
        encrypted("<header/>"),
        Err(XmlError::MissingAttribute {
            element: "header",
            attribute: "sid"
        })
    );
    for sid in ["-1", "4294967296", "", "a"] {
        let error = encrypted(&format!("<header sid='{sid}'/>")).unwrap_err();
        assert!(matches!(
            error,
            XmlError::InvalidAttribute {
                element: "header",
                attribute: "sid",
                ..
            }
        ));
    }
    assert_eq!(encrypted("<header sid='0'/>").unwrap().sender_device.get(), 0);
}

#[test]
fn wire_note_17_any_initialisation_vector_is_taken_as_it_is() {
    for length in [0, 12, 16, 32] {
        let iv = vec![7; length];
        let mut sent = message(None);
        sent.payload = Some(Payload {
            ciphertext: vec![1],
            iv: Some(iv),
        });
        assert_eq!(
            encrypted_from_xml(&encrypted_to_xml(&sent).unwrap()).unwrap(),
            sent
        );
    }
}

#[test]
fn wire_note_20_prekey_is_a_boolean_and_only_a_hint() {
    for (attribute, hint) in [
        ("prekey='true'", true),
        ("prekey='1'", true),
        ("prekey=' true '", true),
        ("prekey='false'", false),
        ("prekey='0'", false),
        ("prekey='yes'", false),
        ("", false),
    ] {
        let message = with_header(&format!("<key rid='1' {attribute}>MwgB</key>")).unwrap();
        assert_eq!(keys(&message)[0].key_exchange, hint, "{attribute}");
        // The bytes decide later: they are there whatever the hint.
        assert_eq!(keys(&message)[0].data, [0x33, 8, 1], "{attribute}");
    }
}

#[test]
fn wire_note_21_the_order_of_elements_does_not_matter() {
    let (one, two, iv) = (
        "<key rid='1'>AQ==</key>",
        "<key rid='2'>Ag==</key>",
        "<iv>BAUGBAUGBAUGBAUG</iv>",
    );
    let payload = "<payload>AAAA</payload>";
    let read = |children: &[&str], payload_first: bool| {
        let header = format!("<header sid='1'>{}</header>", children.concat());
        let inner = match payload_first {
            true => payload.to_owned() + &header,
            false => header + payload,
        };
        encrypted(&inner).unwrap()
    };
    let expected = read(&[one, two, iv], false);
    assert_eq!(keys(&expected), [key(1, &[1]), key(2, &[2])]);
    assert_eq!(expected.payload.as_ref().unwrap().iv.as_ref().unwrap().len(), 12);
    for children in [[iv, one, two], [one, iv, two]] {
        assert_eq!(read(&children, false), expected);
        assert_eq!(read(&children, true), expected);
    }
}

#[test]
fn wire_note_22_all_keys_with_one_rid_are_kept() {
    let message =
        with_header("<key rid='5'>AQ==</key><key rid='6'>Ag==</key><key rid='5' prekey='true'>Aw==</key>")
            .unwrap();
    let ours: Vec<_> = keys(&message)
        .iter()
        .filter(|key| key.device == DeviceId::new(5))
        .map(|key| (key.key_exchange, key.data.as_slice()))
        .collect();
    assert_eq!(ours, [(false, &[1][..]), (true, &[3])]);
    assert_eq!(
        encrypted_from_xml(&encrypted_to_xml(&message).unwrap()).unwrap(),
        message
    );
}

#[test]
fn wire_note_23_malformed_keys_cost_no_others() {
    let message = with_header(
        "<key rid='1'>?</key><key rid='-1'>AA==</key><key>AA==</key><key rid='4294967296'>AA==</key>
         <key rid='0'>AA==</key><other rid='5'>AA==</other><key rid='2'>A<x/>Q\n==</key>
         <key rid='3000000000'>\n AA \n</key>",
    )
    .unwrap();
    assert_eq!(
        keys(&message),
        [key(0, &[0]), key(2, &[1]), key(3_000_000_000, &[0])]
    );
    assert!(keys(&with_header("<key rid='1'>?</key>").unwrap()).is_empty());
}

#[test]
fn wire_note_25_a_key_transport_is_a_message_without_payload() {
    let sent = with_header("<key rid='2'>a2V5</key><iv>BAUGBAUGBAUGBAUG</iv>").unwrap();
    assert!(sent.content().is_none());
    // The initialisation vector belongs to the key.
    let iv = Payload {
        ciphertext: Vec::new(),
        iv: Some([4, 5, 6].repeat(4)),
    };
    assert_eq!(sent, message(Some(iv)));
    // Some write a payload of nothing.
    let empty = encrypted("<header sid='1'><iv>BAUG</iv></header><payload/>").unwrap();
    assert!(empty.content().is_none());
}

#[test]
fn wire_note_26_the_initialisation_vector_of_a_key_transport_may_be_missing() {
    assert_eq!(with_header("<key rid='2'>a2V5</key>").unwrap(), message(None));
    assert_eq!(
        with_header("<key rid='2'>a2V5</key><iv>?</iv>").unwrap(),
        message(None)
    );
    // That of a payload may not.
    assert_eq!(
        encrypted("<header sid='1'/><payload>AAAA</payload>"),
        Err(XmlError::MissingElement {
            parent: "header",
            element: "iv"
        })
    );
    assert_eq!(
        encrypted("<header sid='1'><iv>?</iv></header><payload>AAAA</payload>"),
        Err(XmlError::InvalidBase64 { element: "iv" })
    );
    assert_eq!(
        encrypted("<header sid='1'><iv>AAAA</iv></header><payload>?</payload>"),
        Err(XmlError::InvalidBase64 { element: "payload" })
    );
}

#[test]
fn too_many_keys_are_refused() {
    let all = with_header(&"<key rid='1'>AA==</key>".repeat(MAX_KEY_ELEMENTS)).unwrap();
    assert_eq!(all.key_elements(), MAX_KEY_ELEMENTS);
    // Even where none would be kept.
    assert_eq!(
        with_header(&"<key/>".repeat(MAX_KEY_ELEMENTS + 1)),
        Err(XmlError::TooManyKeys { element: "header" })
    );
}

#[test]
fn what_xml_has_no_place_for_is_refused() {
    let mut omemo2 = message(None);
    omemo2.namespace = Namespace::OMEMO_2;
    assert!(matches!(encrypted_to_xml(&omemo2), Err(XmlError::NoPlace { .. })));
    let mut with_jid = message(None);
    with_jid.recipients[0].jid = Some(BareJid::new("a@b").unwrap());
    assert!(matches!(
        encrypted_to_xml(&with_jid),
        Err(XmlError::NoPlace { .. })
    ));
    let without_iv = message(Some(Payload {
        ciphertext: vec![1],
        iv: None,
    }));
    assert_eq!(
        encrypted_to_xml(&without_iv),
        Err(XmlError::MissingElement {
            parent: "header",
            element: "iv"
        })
    );
}

#[test]
fn what_is_written_looks_like_the_examples() {
    let mut sent = message(Some(Payload {
        ciphertext: vec![1, 2, 3],
        iv: Some(vec![4; 12]),
    }));
    sent.recipients[0].keys.push(KeyElement {
        key_exchange: true,
        ..key(3, b"kex")
    });
    let keys = "<key rid='2'>a2V5</key><key prekey='true' rid='3'>a2V4</key>";
    assert_eq!(
        omemo_xml::write(&encrypted_to_xml(&sent).unwrap()).unwrap(),
        format!(
            "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'>{keys}<iv>BAQEBAQEBAQEBAQE</iv></header>\
             <payload>AQID</payload></encrypted>"
        )
    );
    sent.payload.as_mut().unwrap().ciphertext.clear();
    assert_eq!(
        omemo_xml::write(&encrypted_to_xml(&sent).unwrap()).unwrap(),
        format!(
            "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'>{keys}<iv>BAQEBAQEBAQEBAQE</iv></header>\
             </encrypted>"
        )
    );
}

#[test]
fn another_element_is_refused() {
    assert_eq!(
        encrypted_from_xml(&element("<encrypted xmlns='urn:xmpp:omemo:2'/>")),
        Err(XmlError::WrongElement {
            element: "encrypted",
            namespace: "eu.siacs.conversations.axolotl"
        })
    );
}
