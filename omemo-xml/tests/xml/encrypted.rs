//! `<encrypted>`, case by case.

use omemo_sansio::{
    BareJid, DeviceId, EncryptedMessage, KeyElement, MAX_KEY_ELEMENTS, Namespace, Payload, RecipientKeys,
};
use omemo_xml::XmlError;
use omemo_xml::omemo2::{encrypted_from_xml, encrypted_to_xml};

use crate::element;

fn encrypted(inner: &str) -> Result<EncryptedMessage, XmlError> {
    encrypted_from_xml(&element(&format!(
        "<encrypted xmlns='urn:xmpp:omemo:2'>{inner}</encrypted>"
    )))
}

fn with_keys(keys: &str) -> Result<EncryptedMessage, XmlError> {
    encrypted(&format!("<header sid='1'>{keys}</header>"))
}

fn key(device: u32, data: &[u8]) -> KeyElement {
    KeyElement {
        device: DeviceId::new(device),
        key_exchange: false,
        data: data.to_vec(),
    }
}

fn message(jid: Option<&str>) -> EncryptedMessage {
    EncryptedMessage {
        namespace: Namespace::OMEMO_2,
        sender_device: DeviceId::new(1),
        recipients: vec![RecipientKeys {
            jid: jid.map(|jid| BareJid::new(jid).unwrap()),
            keys: vec![key(2, b"key")],
        }],
        payload: None,
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
    assert_eq!(
        encrypted("<header sid='0'/>").unwrap().sender_device,
        DeviceId::new(0)
    );
}

#[test]
fn kex_is_a_boolean_and_only_a_hint() {
    let kex = |attribute: &str| {
        let keys = format!("<keys jid='a@b'><key rid='1' {attribute}>AA==</key></keys>");
        with_keys(&keys).unwrap().recipients[0].keys[0].key_exchange
    };
    assert!(kex("kex='true'"));
    assert!(kex("kex='1'"));
    assert!(!kex("kex='false'"));
    assert!(!kex("kex='0'"));
    assert!(!kex("kex='yes'"));
    assert!(!kex(""));
}

#[test]
fn malformed_keys_cost_no_others() {
    let message = with_keys(
        "<keys jid='a@b'>
           <key rid='1'>?</key><key rid='-1'>AA==</key><key>AA==</key><key rid='4294967296'>AA==</key>
           <key rid='0'>AA==</key><other rid='5'>AA==</other><key rid='2'>A<x/>Q\n==</key>
         </keys>
         <keys jid='a@b/phone'><key rid='3'>AA==</key></keys>
         <keys jid=''><key rid='3'>AA==</key></keys>
         <keys><key rid='3'>AA==</key></keys>
         <keys jid='c@d'/>
         <keys jid='c@d'><key rid='4'>AA==</key></keys>",
    )
    .unwrap();
    let found: Vec<_> = message
        .recipients
        .iter()
        .map(|group| (group.jid.as_ref().unwrap().as_str(), group.keys.clone()))
        .collect();
    assert_eq!(
        found,
        [
            ("a@b", vec![key(0, &[0]), key(2, &[1])]),
            ("c@d", vec![key(4, &[0])])
        ]
    );
}

#[test]
fn too_many_keys_are_refused() {
    let group = |keys: usize| {
        format!(
            "<keys jid='a@b'>{}</keys>",
            "<key rid='1'>AA==</key>".repeat(keys)
        )
    };
    let half = MAX_KEY_ELEMENTS / 2;
    let all = with_keys(&(group(half) + &group(half))).unwrap();
    assert_eq!(all.key_elements(), MAX_KEY_ELEMENTS);
    let error = Err(XmlError::TooManyKeys { element: "header" });
    assert_eq!(with_keys(&(group(half) + &group(half + 1))), error);
    // Even where none would be kept.
    assert_eq!(
        with_keys(&format!("<keys>{}</keys>", "<key/>".repeat(MAX_KEY_ELEMENTS + 1))),
        error
    );
}

#[test]
fn without_a_payload_the_message_is_empty() {
    assert_eq!(encrypted("<header sid='1'/>").unwrap().payload, None);
    let payload = |text: &str| encrypted(&format!("<payload>{text}</payload><header sid='1'/>"));
    let bytes = |bytes: &[u8]| {
        Some(Payload {
            ciphertext: bytes.to_vec(),
            iv: None,
        })
    };
    assert_eq!(payload("").unwrap().payload, bytes(&[]));
    assert_eq!(payload("\n A A\t=\r\n= ").unwrap().payload, bytes(&[0]));
    assert_eq!(payload("A"), Err(XmlError::InvalidBase64 { element: "payload" }));
}

#[test]
fn what_xml_has_no_place_for_is_refused() {
    assert!(encrypted_to_xml(&message(Some("a@b"))).is_ok());
    let missing = XmlError::MissingAttribute {
        element: "keys",
        attribute: "jid",
    };
    assert_eq!(encrypted_to_xml(&message(None)), Err(missing));
    assert!(matches!(
        encrypted_to_xml(&message(Some("a\u{1}@b"))),
        Err(XmlError::InvalidAttribute {
            element: "keys",
            attribute: "jid",
            ..
        })
    ));
    let mut legacy = message(Some("a@b"));
    legacy.namespace = Namespace::LEGACY;
    assert!(matches!(encrypted_to_xml(&legacy), Err(XmlError::NoPlace { .. })));
    let mut with_iv = message(Some("a@b"));
    with_iv.payload = Some(Payload {
        ciphertext: vec![1],
        iv: Some(vec![2]),
    });
    assert!(matches!(
        encrypted_to_xml(&with_iv),
        Err(XmlError::NoPlace { .. })
    ));
}

#[test]
fn what_is_written_looks_like_the_example() {
    let mut message = message(Some("juliet@capulet.lit"));
    message.recipients[0].keys.push(KeyElement {
        key_exchange: true,
        ..key(3, b"kex")
    });
    assert_eq!(
        omemo_xml::write(&encrypted_to_xml(&message).unwrap()).unwrap(),
        "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'><keys jid='juliet@capulet.lit'>\
         <key rid='2'>a2V5</key><key kex='true' rid='3'>a2V4</key></keys></header></encrypted>"
    );
}
