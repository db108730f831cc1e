//! `<devices>`.

use minidom::Element;
use omemo_sansio::keys::Signature;
use omemo_sansio::{DeviceEntry, DeviceId, DeviceList, Label, MAX_DEVICES, MAX_LABEL};

use super::NAMESPACE;
use crate::XmlError;
use crate::read::{children, decode, encode, expect, id, is_xml_text, set};

/// Reads a `<devices>` element (XEP-0384, section 5.3.1). Entries without an id from 0 to 2^32 - 1 are skipped, of two
/// with the same id the first counts, and after [`MAX_DEVICES`] the rest is cut. A label is read if it comes with a
/// signature of 64 bytes and is no longer than [`MAX_LABEL`]; the signature is not checked here.
///
/// # Errors
///
/// [`XmlError::WrongElement`] if it is no `<devices>`.
///
/// ```
/// use omemo_xml::omemo2::{device_list_from_xml, device_list_to_xml};
///
/// let element = omemo_xml::parse(
///     "<devices xmlns='urn:xmpp:omemo:2'><device id='12345'/><device id='4223'/><device id='?'/></devices>",
/// )?;
/// let list = device_list_from_xml(&element)?;
/// assert_eq!(list.devices.len(), 2);
/// assert_eq!(device_list_from_xml(&device_list_to_xml(&list))?, list);
/// # Ok::<(), omemo_xml::XmlError>(())
/// ```
pub fn device_list_from_xml(element: &Element) -> Result<DeviceList, XmlError> {
    expect(element, "devices", NAMESPACE)?;
    let mut list = DeviceList::default();
    for device in children(element, "device", NAMESPACE) {
        if list.devices.len() >= MAX_DEVICES {
            break;
        }
        let Some(id) = device.attr("id").and_then(id) else {
            continue;
        };
        list.devices
            .entry(DeviceId::new(id))
            .or_insert_with(|| DeviceEntry { label: label(device) });
    }
    Ok(list)
}

fn label(device: &Element) -> Option<Label> {
    let text = device.attr("label").filter(|text| text.len() <= MAX_LABEL)?;
    let signature = <[u8; 64]>::try_from(decode([device.attr("labelsig")?])?).ok()?;
    Some(Label {
        text: text.to_owned(),
        signature: Signature::from_bytes(signature),
    })
}

/// Writes a `<devices>` element (XEP-0384, section 5.3.1). A label that no one would read, since it is longer than
/// [`MAX_LABEL`] or holds a control character that XML forbids, is left out.
pub fn device_list_to_xml(list: &DeviceList) -> Element {
    let devices = list.devices.iter().map(|(id, entry)| {
        let mut device = Element::bare("device", NAMESPACE);
        set(&mut device, "id", id);
        if let Some(Label { text, signature }) = &entry.label
            && text.len() <= MAX_LABEL
            && is_xml_text(text)
        {
            set(&mut device, "label", text);
            set(&mut device, "labelsig", encode(signature.as_bytes()));
        }
        device
    });
    Element::builder("devices", NAMESPACE).append_all(devices).build()
}
