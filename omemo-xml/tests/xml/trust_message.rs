//! `<trust-message>`, case by case.

use omemo_sansio::trust::{KeyIdentifier, KeyOwner, MAX_TRUST_STATEMENTS, TrustMessage};
use omemo_sansio::{BareJid, Namespace};
use omemo_xml::{XmlError, trust_message_from_xml, trust_message_to_xml};

use crate::element;

/// The example of XEP-0434, section 4.
const EXAMPLE: &str =
    "<trust-message xmlns='urn:xmpp:tm:1' usage='urn:xmpp:atm:1' encryption='urn:xmpp:omemo:2'>
  <key-owner jid='alice@example.org'>
    <trust>aFABnX7Q/rbTgjBySYzrT2FsYCVYb49mbca5yB734KQ=</trust>
    <trust>IhpPjiKLchgrAG5cpSfTvdzPjZ5v6vTOluHEUehkgCA=</trust>
  </key-owner>
  <key-owner jid='bob@example.com'>
    <trust>YjVI04NcbTPvXLaA95RO84HPcSvyOgEZ2r5cTyUs0C8=</trust>
    <distrust>tCP1CI3pqSTVGzFYFyPYUMfMZ9Ck/msmfD0wH/VtJBM=</distrust>
    <distrust>2fhJtrgoMJxfLI3084/YkYh9paqiSiLFDVL2m0qAgX4=</distrust>
  </key-owner>
</trust-message>";

const KEY: &str = "aFABnX7Q/rbTgjBySYzrT2FsYCVYb49mbca5yB734KQ=";

fn owners(owners: &str) -> Result<TrustMessage, XmlError> {
    trust_message_from_xml(&element(&format!(
        "<trust-message xmlns='urn:xmpp:tm:1' usage='urn:xmpp:atm:1' encryption='urn:xmpp:omemo:2'>{owners}</trust-message>"
    )))
}

fn nothing() -> Result<TrustMessage, XmlError> {
    Err(XmlError::MissingElement {
        parent: "trust-message",
        element: "key-owner",
    })
}

#[test]
fn the_example_is_read_and_written() {
    let message = trust_message_from_xml(&element(EXAMPLE)).unwrap();
    assert_eq!(message.encryption, Namespace::OMEMO_2);
    let read: Vec<_> = message
        .owners
        .iter()
        .map(|owner| (owner.jid.as_str(), owner.trust.len(), owner.distrust.len()))
        .collect();
    assert_eq!(read, [("alice@example.org", 2, 0), ("bob@example.com", 1, 2)]);
    assert_eq!(message.owners[1].distrust[0].as_bytes()[0], 0xb4);
    assert_eq!(message.statements(), 5);

    let written = trust_message_to_xml(&message).unwrap();
    assert_eq!(trust_message_from_xml(&written).unwrap(), message);
    let lines: String = EXAMPLE.lines().map(str::trim).collect();
    // Attributes are written in the order of their names.
    let expected = lines.replace(
        "usage='urn:xmpp:atm:1' encryption='urn:xmpp:omemo:2'",
        "encryption='urn:xmpp:omemo:2' usage='urn:xmpp:atm:1'",
    );
    assert_eq!(omemo_xml::write(&written).unwrap(), expected);
}

#[test]
fn usage_and_encryption_are_checked() {
    let read = |attributes: &str| {
        trust_message_from_xml(&element(&format!(
            "<trust-message xmlns='urn:xmpp:tm:1' {attributes}><key-owner jid='a@b'><trust>{KEY}</trust></key-owner>\
             </trust-message>"
        )))
    };
    for (attributes, missing) in [
        ("encryption='urn:xmpp:omemo:2'", "usage"),
        ("usage='urn:xmpp:atm:1'", "encryption"),
    ] {
        assert_eq!(
            read(attributes),
            Err(XmlError::MissingAttribute {
                element: "trust-message",
                attribute: missing
            })
        );
    }
    for (attributes, invalid) in [
        ("usage='urn:xmpp:atm:0' encryption='urn:xmpp:omemo:2'", "usage"),
        ("usage='urn:xmpp:atm:1' encryption='urn:xmpp:ox:0'", "encryption"),
    ] {
        assert!(matches!(
            read(attributes),
            Err(XmlError::InvalidAttribute { element: "trust-message", attribute, .. }) if attribute == invalid
        ));
    }
    let legacy = read("usage='urn:xmpp:atm:1' encryption='eu.siacs.conversations.axolotl'").unwrap();
    assert_eq!(legacy.encryption, Namespace::LEGACY);
    assert!(matches!(
        trust_message_from_xml(&element("<trust-message xmlns='urn:xmpp:tm:0'/>")),
        Err(XmlError::WrongElement { .. })
    ));
}

#[test]
fn what_makes_no_sense_is_skipped() {
    let message = owners(&format!(
        "<key-owner jid='a@b/phone'><trust>{KEY}</trust></key-owner>
         <key-owner><trust>{KEY}</trust></key-owner>
         <key-owner jid='c@d'><trust>AAAA</trust><trust>?</trust><distrust>{KEY}AAAA</distrust></key-owner>
         <key-owner jid='e@f'><trust>AAAA</trust><other/><distrust> {KEY}\n</distrust></key-owner>"
    ))
    .unwrap();
    assert_eq!(message.owners.len(), 1);
    assert_eq!(message.owners[0].jid.as_str(), "e@f");
    assert_eq!(
        (message.owners[0].trust.len(), message.owners[0].distrust.len()),
        (0, 1)
    );
    assert_eq!(owners(""), nothing());
    assert_eq!(owners("<key-owner jid='a@b'/>"), nothing());
}

#[test]
fn too_many_keys_are_refused() {
    let of = |count: usize| {
        let keys = format!("<trust>{KEY}</trust>").repeat(count);
        owners(&format!("<key-owner jid='a@b'>{keys}</key-owner>"))
    };
    assert_eq!(
        of(MAX_TRUST_STATEMENTS).unwrap().statements(),
        MAX_TRUST_STATEMENTS
    );
    let error = Err(XmlError::TooManyKeys {
        element: "trust-message",
    });
    assert_eq!(of(MAX_TRUST_STATEMENTS + 1), error);
    let nonsense = "<x/>".repeat(MAX_TRUST_STATEMENTS + 1);
    assert_eq!(owners(&format!("<key-owner>{nonsense}</key-owner>")), error);
}

#[test]
fn what_xml_cannot_carry_is_not_written() {
    let message = TrustMessage {
        encryption: Namespace::OMEMO_2,
        owners: vec![KeyOwner {
            jid: BareJid::new("a\u{1}@b").unwrap(),
            trust: vec![KeyIdentifier::from_bytes([1; 32])],
            distrust: Vec::new(),
        }],
    };
    assert!(matches!(
        trust_message_to_xml(&message),
        Err(XmlError::InvalidAttribute {
            element: "key-owner",
            ..
        })
    ));
}
