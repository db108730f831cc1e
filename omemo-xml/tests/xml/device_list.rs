//! `<devices>`, case by case.

use omemo_sansio::keys::Signature;
use omemo_sansio::{DeviceId, DeviceList, Label, MAX_DEVICES, MAX_LABEL};
use omemo_xml::XmlError;
use omemo_xml::omemo2::{device_list_from_xml, device_list_to_xml};

use crate::element;

fn list(devices: &str) -> DeviceList {
    device_list_from_xml(&element(&format!(
        "<devices xmlns='urn:xmpp:omemo:2'>{devices}</devices>"
    )))
    .unwrap()
}

fn ids(list: &DeviceList) -> Vec<u32> {
    list.devices.keys().map(|id| id.get()).collect()
}

/// The base64 of 64 bytes, all zero or all 255.
fn signature(byte: u8) -> String {
    match byte {
        0 => format!("{}==", "A".repeat(86)),
        _ => format!("{}w==", "/".repeat(85)),
    }
}

#[test]
fn ids_of_32_bits_are_taken_and_others_skipped() {
    let list = list(
        "<device id='0'/><device id='1'/><device id=' 7 '/><device id='4294967295'/>
         <device id='4294967296'/><device id='-1'/><device id=''/><device id='1.5'/><device id='0x10'/><device/>",
    );
    assert_eq!(ids(&list), [0, 1, 7, 4_294_967_295]);
}

#[test]
fn an_empty_list_is_a_list() {
    assert_eq!(list(""), DeviceList::default());
}

#[test]
fn what_is_unknown_is_ignored() {
    let list = list(
        "text<device id='1' color='red'/><other id='2'/><device xmlns='urn:example' id='3'/>
         <device id='4'><deep><device id='5'/></deep></device>",
    );
    assert_eq!(ids(&list), [1, 4]);
}

#[test]
fn of_two_the_first_counts() {
    let list = list(&format!(
        "<device id='1' label='one' labelsig='{}'/><device id='1' label='two' labelsig='{0}'/>",
        signature(0)
    ));
    assert_eq!(ids(&list), [1]);
    assert_eq!(
        list.devices[&DeviceId::new(1)].label.as_ref().unwrap().text,
        "one"
    );
}

#[test]
fn past_the_limit_the_rest_is_cut() {
    let all: String = (1..=100_000).map(|id| format!("<device id='{id}'/>")).collect();
    let started = std::time::Instant::now();
    let list = list(&all);
    assert_eq!(list.devices.len(), MAX_DEVICES);
    assert_eq!(*list.devices.keys().next_back().unwrap(), DeviceId::new(200));
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[test]
fn repetitions_do_not_count_towards_the_limit() {
    let all = "<device id='1'/>".repeat(MAX_DEVICES) + "<device id='2'/>";
    assert_eq!(ids(&list(&all)), [1, 2]);
}

#[test]
fn a_label_comes_with_its_signature_or_not_at_all() {
    let label = |attributes: &str| {
        let list = list(&format!("<device id='1' {attributes}/>"));
        list.devices[&DeviceId::new(1)].label.clone()
    };
    let long = "x".repeat(MAX_LABEL + 1);
    let fitting = "x".repeat(MAX_LABEL);
    assert_eq!(
        label(&format!("label='Pixel &amp; ' labelsig=' {}'", signature(255))),
        Some(Label {
            text: "Pixel & ".into(),
            signature: Signature::from_bytes([255; 64]),
        })
    );
    assert!(label(&format!("label='{fitting}' labelsig='{}'", signature(0))).is_some());
    assert_eq!(
        label(&format!("label='{long}' labelsig='{}'", signature(0))),
        None
    );
    assert_eq!(label("label='x'"), None);
    assert_eq!(label(&format!("labelsig='{}'", signature(0))), None);
    assert_eq!(label("label='x' labelsig='AAAA'"), None);
    assert_eq!(label("label='x' labelsig='?'"), None);
    assert_eq!(
        label(&format!("label='x' labelsig='{}AAAA'", "A".repeat(84))),
        None
    );
}

#[test]
fn a_label_that_no_one_would_read_is_not_written() {
    for (text, written) in [
        ("fine", true),
        ("tab\tand\nline\r", true),
        ("bell\u{7}", false),
        ("end\u{ffff}", false),
        (&"x".repeat(MAX_LABEL + 1), false),
    ] {
        let mut list = DeviceList::default();
        list.devices.entry(DeviceId::new(1)).or_default().label = Some(Label {
            text: text.into(),
            signature: Signature::from_bytes([1; 64]),
        });
        let xml = omemo_xml::write(&device_list_to_xml(&list)).unwrap();
        assert_eq!(xml.contains("label="), written, "{text:?}");
        let read = device_list_from_xml(&element(&xml)).unwrap();
        assert_eq!(read == list, written, "{text:?}");
    }
}

#[test]
fn another_element_is_refused() {
    let wrong = Err(XmlError::WrongElement {
        element: "devices",
        namespace: "urn:xmpp:omemo:2",
    });
    for text in [
        "<devices xmlns='urn:xmpp:omemo:1'/>",
        "<bundle xmlns='urn:xmpp:omemo:2'/>",
        "<devices/>",
    ] {
        assert_eq!(device_list_from_xml(&element(text)), wrong, "{text}");
    }
}

#[test]
fn prefixes_do_not_matter() {
    let prefixed =
        element("<o:devices xmlns:o='urn:xmpp:omemo:2'><o:device id='1'/><device id='2'/></o:devices>");
    assert_eq!(ids(&device_list_from_xml(&prefixed).unwrap()), [1]);
}
