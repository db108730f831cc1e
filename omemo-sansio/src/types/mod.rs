//! What goes in and out of the core: addresses, bundles, device lists, messages. No secrets here.

mod address;
mod bundle;
mod device_list;
mod message;

pub use address::{BareJid, DeviceAddress, DeviceId, InvalidJid, MAX_JID, Namespace, Timestamp};
pub use bundle::{Bundle, MAX_BUNDLE_PRE_KEYS, PreKeyId, PublicSignedPreKey};
pub use device_list::{DeviceEntry, DeviceList, Label, MAX_DEVICES, MAX_LABEL};
pub use message::{EncryptedMessage, KeyElement, MAX_KEY_ELEMENTS, Payload, RecipientKeys};
