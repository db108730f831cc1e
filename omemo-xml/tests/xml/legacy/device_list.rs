//! `<list>`.

use omemo_sansio::{DeviceId, DeviceList, Label, MAX_DEVICES, keys::Signature};
use omemo_xml::XmlError;
use omemo_xml::legacy::{device_list_from_xml, device_list_to_xml};

use crate::element;

fn list(devices: &str) -> DeviceList {
    let list = format!("<list xmlns='eu.siacs.conversations.axolotl'>{devices}</list>");
    device_list_from_xml(&element(&list)).unwrap()
}

fn ids(list: &DeviceList) -> Vec<u32> {
    list.devices.keys().map(|id| id.get()).collect()
}

#[test]
fn an_empty_list_is_a_list() {
    assert!(list("").devices.is_empty());
    assert!(list("<device/><other id='1'/>text").devices.is_empty());
}

/// An entry with a negative id is dropped: no node of a bundle would be found for it, and the other devices are good without
/// it. A message whose `sid` is negative is refused: it has no other sender, and this one is found on no list. Negative ids of
/// keys are kept in a bundle, since they only go back to whom they came from.
#[test]
fn wire_note_23_ids_that_occur_cost_no_others() {
    let read = list(
        "<device id='0'/><device id='-1'/><device id='2147483648'/><device id='4294967295'/>
         <device id='4294967296'/><device id='-2147483649'/><device id=''/><device id='0x10'/><device id=' 7 '/>
         <device id='7'/><device id='1005187506'/>",
    );
    assert_eq!(ids(&read), [0, 7, 1_005_187_506, 2_147_483_648, 4_294_967_295]);
    assert_eq!(device_list_from_xml(&device_list_to_xml(&read)).unwrap(), read);
}

#[test]
fn wire_note_32_there_are_no_labels() {
    let read = list("<device id='1' label='phone' labelsig='AAAA'/>");
    assert_eq!(read.devices[&DeviceId::new(1)].label, None);

    let mut labelled = read.clone();
    labelled.devices.entry(DeviceId::new(1)).or_default().label = Some(Label {
        text: "phone".into(),
        signature: Signature::from_bytes([1; 64]),
    });
    let written = omemo_xml::write(&device_list_to_xml(&labelled)).unwrap();
    assert_eq!(
        written,
        "<list xmlns='eu.siacs.conversations.axolotl'><device id='1'/></list>"
    );
}

#[test]
fn past_the_limit_the_rest_is_cut() {
    let devices: String = (0..MAX_DEVICES + 50)
        .map(|id| format!("<device id='{id}'/>"))
        .collect();
    assert_eq!(list(&devices).devices.len(), MAX_DEVICES);
}

#[test]
fn another_element_is_refused() {
    let wrong = Err(XmlError::WrongElement {
        element: "list",
        namespace: "eu.siacs.conversations.axolotl",
    });
    for text in [
        "<devices xmlns='urn:xmpp:omemo:2'/>",
        "<devices xmlns='eu.siacs.conversations.axolotl'/>",
        "<list xmlns='urn:xmpp:omemo:2'/>",
        "<list/>",
    ] {
        assert_eq!(device_list_from_xml(&element(text)), wrong, "{text}");
    }
}
