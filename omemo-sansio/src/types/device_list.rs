//! Device lists: which devices of an account want to be written to.

use alloc::collections::BTreeMap;
use alloc::string::String;

use crate::DeviceId;
use crate::keys::Signature;

/// The most devices that are read of a device list: 200. The rest is cut.
pub const MAX_DEVICES: usize = 200;

/// The most bytes of a label: 53 code points (XEP-0384, section 5.3.1) of at most four bytes. A longer one is ignored.
pub const MAX_LABEL: usize = 212;

/// The device list of an account for one protocol (XEP-0384, section 5.3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceList {
    /// The devices, at most [`MAX_DEVICES`].
    pub devices: BTreeMap<DeviceId, DeviceEntry>,
}

/// What a device list says of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceEntry {
    /// The label, if it has one that comes with a signature; not checked yet.
    pub label: Option<Label>,
}

/// A name that a person gave to a device, with the identity key's signature over its UTF-8 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The name, at most [`MAX_LABEL`] bytes.
    pub text: String,
    /// The signature.
    pub signature: Signature,
}
