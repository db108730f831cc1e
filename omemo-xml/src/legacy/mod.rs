//! The XML of `eu.siacs.conversations.axolotl` (XEP-0384 0.3.0, section 4), as deployed clients write it.
//!
//! Clients disagree about nearly everything that the specification leaves open, and about some that it does not. So an id,
//! a key or an attribute that makes no sense costs itself alone: the list, the bundle or the message around it is read.
//!
//! The types of [`omemo_sansio`] are those of OMEMO 2. What this version does otherwise is taken away on reading and put
//! back on writing:
//!
//! - Public keys are 33 bytes, a 5 and the u coordinate.
//! - An identity key is written in its Curve25519 form. The sign of its Ed25519 form stands in the signature of the signed
//!   pre key: bit 7 of byte 63.
//! - Key elements are not grouped by account: all stand in one [`RecipientKeys`](omemo_sansio::RecipientKeys) without JID.

mod bundle;
mod device_list;
mod encrypted;
mod key;

pub use bundle::{bundle_from_xml, bundle_to_xml};
pub use device_list::{device_list_from_xml, device_list_to_xml};
pub use encrypted::{encrypted_from_xml, encrypted_to_xml};

/// The namespace of the elements.
pub const NAMESPACE: &str = "eu.siacs.conversations.axolotl";

/// The node that the device list is published at, as its one item `current` (XEP-0384 0.3.0, section 4.2). The examples
/// of 0.3.0 and all clients agree on this name.
pub const DEVICES_NODE: &str = "eu.siacs.conversations.axolotl.devicelist";

/// What the name of a bundle's node begins with; the device id follows. Each device has a node of its own, with one item
/// `current` (XEP-0384 0.3.0, section 4.2).
pub const BUNDLES_NODE_PREFIX: &str = "eu.siacs.conversations.axolotl.bundles:";
