//! `<list>`.

use minidom::Element;
use omemo_sansio::{DeviceEntry, DeviceId, DeviceList, MAX_DEVICES};

use super::NAMESPACE;
use crate::XmlError;
use crate::read::{children, expect, id, set};

/// Reads a `<list>` element (XEP-0384 0.3.0, section 4.2). Entries without an id from 0 to 2^32 - 1 are skipped, -1 among
/// them: no node of a bundle would be found for it. After [`MAX_DEVICES`] the rest is cut. There are no labels.
///
/// # Errors
///
/// [`XmlError::WrongElement`] if it is no `<list>`.
///
/// ```
/// use omemo_xml::legacy::{device_list_from_xml, device_list_to_xml};
///
/// let element = omemo_xml::parse(
///     "<list xmlns='eu.siacs.conversations.axolotl'><device id='12345'/><device id='-1'/></list>",
/// )?;
/// let list = device_list_from_xml(&element)?;
/// assert_eq!(list.devices.len(), 1);
/// assert_eq!(device_list_from_xml(&device_list_to_xml(&list))?, list);
/// # Ok::<(), omemo_xml::XmlError>(())
/// ```
pub fn device_list_from_xml(element: &Element) -> Result<DeviceList, XmlError> {
    expect(element, "list", NAMESPACE)?;
    let mut list = DeviceList::default();
    for device in children(element, "device", NAMESPACE) {
        if list.devices.len() >= MAX_DEVICES {
            break;
        }
        if let Some(id) = device.attr("id").and_then(id) {
            list.devices.insert(DeviceId::new(id), DeviceEntry::default());
        }
    }
    Ok(list)
}

/// Writes a `<list>` element (XEP-0384 0.3.0, section 4.2). Labels have no place in it and are left out.
pub fn device_list_to_xml(list: &DeviceList) -> Element {
    let devices = list.devices.keys().map(|id| {
        let mut device = Element::bare("device", NAMESPACE);
        set(&mut device, "id", id);
        device
    });
    Element::builder("list", NAMESPACE).append_all(devices).build()
}
