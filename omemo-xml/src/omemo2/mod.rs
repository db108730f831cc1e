//! The XML of `urn:xmpp:omemo:2` (XEP-0384 0.9.1, section 5).

mod bundle;
mod device_list;
mod encrypted;

pub use bundle::{bundle_from_xml, bundle_to_xml};
pub use device_list::{device_list_from_xml, device_list_to_xml};
pub use encrypted::{encrypted_from_xml, encrypted_to_xml};

/// The namespace of the elements.
pub const NAMESPACE: &str = "urn:xmpp:omemo:2";

/// The node that the device list is published at, as its one item `current` (XEP-0384, section 5.3.1).
pub const DEVICES_NODE: &str = "urn:xmpp:omemo:2:devices";

/// The node that bundles are published at, one item a device, whose id is the device id (XEP-0384, section 5.3.2).
pub const BUNDLES_NODE: &str = "urn:xmpp:omemo:2:bundles";
