//! Which module reads and writes what.

use minidom::Element;
use omemo_sansio::{DeviceId, DeviceList};
use omemo_xml::Format;

use crate::element;

#[test]
fn a_format_knows_its_elements() {
    let format = |text: &str| Format::of_element(&element(text));
    assert_eq!(
        format("<encrypted xmlns='urn:xmpp:omemo:2'/>"),
        Some(Format::Omemo2)
    );
    assert_eq!(
        format("<encrypted xmlns='eu.siacs.conversations.axolotl'/>"),
        Some(Format::Legacy)
    );
    assert_eq!(format("<bundle xmlns='urn:xmpp:omemo:2'/>"), None);
    assert_eq!(format("<encrypted xmlns='urn:xmpp:omemo:1'/>"), None);
    for format in Format::ALL {
        assert_eq!(Format::for_namespace(&format.namespace()), Some(*format));
    }
}

#[test]
fn a_format_calls_its_module() {
    let list = DeviceList {
        devices: [(DeviceId::new(1), Default::default())].into(),
    };
    for (format, message, bundle) in [
        (
            Format::Omemo2,
            "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'/></encrypted>",
            "<bundle xmlns='urn:xmpp:omemo:2'/>",
        ),
        (
            Format::Legacy,
            "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>",
            "<bundle xmlns='eu.siacs.conversations.axolotl'/>",
        ),
    ] {
        let message = format.encrypted_from_xml(&element(message)).unwrap();
        assert_eq!(message.namespace, format.namespace());
        let written: Element = format.encrypted_to_xml(&message).unwrap();
        assert_eq!(Format::of_element(&written), Some(format));
        let devices = format.device_list_to_xml(&list);
        assert_eq!(format.device_list_from_xml(&devices).unwrap(), list);
        let error = format.bundle_from_xml(&element(bundle)).unwrap_err();
        assert!(error.to_string().starts_with("<bundle> has no <"), "{error}");
    }
}

#[test]
fn wire_note_27_a_stanza_may_hold_both_whatever_the_hint_says() {
    let (old, new) = (
        "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>",
        "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='2'/></encrypted>",
    );
    let found = |children: &[&str]| -> Vec<(Format, u32)> {
        let stanza = element(&format!(
            "<message xmlns='jabber:client'>{}</message>",
            children.concat()
        ));
        Format::encrypted_in(&stanza)
            .map(|(format, encrypted)| {
                (
                    format,
                    format.encrypted_from_xml(encrypted).unwrap().sender_device.get(),
                )
            })
            .collect()
    };
    let both = [(Format::Omemo2, 2), (Format::Legacy, 1)];
    for namespace in [
        "eu.siacs.conversations.axolotl",
        "urn:xmpp:omemo:2",
        "urn:xmpp:ox:0",
    ] {
        let hint = format!("<encryption xmlns='urn:xmpp:eme:0' namespace='{namespace}'/>");
        assert_eq!(found(&[&hint, old, new]), both);
        assert_eq!(found(&[new, old, &hint]), both);
    }
    assert_eq!(found(&[old]), both[1..]);
    assert_eq!(found(&[new, new]), both[..1]);
    assert_eq!(found(&["<body>Hi</body>"]), []);
}
