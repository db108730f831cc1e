//! XML: any document, and in it device lists, bundles, messages and trust messages of both protocols.
#![no_main]

use libfuzzer_sys::fuzz_target;
use minidom::Element;
use omemo_sansio::DeviceId;
use omemo_xml::{Format, parse, trust_message_from_xml, trust_message_to_xml, write};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(element) = parse(text) else { return };
    let written = write(&element).expect("what was parsed can be written");
    assert_eq!(parse(&written).as_ref(), Ok(&element), "{written}");

    for (format, encrypted) in Format::encrypted_in(&element) {
        read_as(format, encrypted);
    }
    for &format in Format::ALL {
        read_as(format, &element);
        if let Some(devices) = format.devices_in(&element) {
            read_as(format, devices);
        }
        if let Some(bundle) = format.bundle_in(&element, DeviceId::new(31_415)) {
            read_as(format, bundle);
        }
    }
    if let Ok(message) = trust_message_from_xml(&element) {
        let written = trust_message_to_xml(&message).expect("what was read can be written");
        assert_eq!(trust_message_from_xml(&written), Ok(message));
    }
});

/// Reads an element as whatever it may be; what is read is written, and then reads the same.
fn read_as(format: Format, element: &Element) {
    if let Ok(list) = format.device_list_from_xml(element) {
        assert_eq!(
            format.device_list_from_xml(&format.device_list_to_xml(&list)),
            Ok(list)
        );
    }
    if let Ok(bundle) = format.bundle_from_xml(element) {
        assert_eq!(format.bundle_from_xml(&format.bundle_to_xml(&bundle)), Ok(bundle));
    }
    if let Ok(message) = format.encrypted_from_xml(element) {
        let written = format
            .encrypted_to_xml(&message)
            .expect("what was read can be written");
        assert_eq!(format.encrypted_from_xml(&written), Ok(message));
    }
}
