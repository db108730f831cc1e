//! Public keys of 33 bytes.

use minidom::Element;
use omemo_sansio::keys::PublicKey;

use super::NAMESPACE;
use crate::XmlError;
use crate::read::{array, holding};

/// What a Curve25519 key begins with.
const CURVE25519: u8 = 5;

/// The key that stands in an element.
pub(super) fn key(element: &Element, name: &'static str) -> Result<PublicKey, XmlError> {
    match array::<33>(element, name)? {
        [CURVE25519, u @ ..] => Ok(PublicKey::from_bytes(u)),
        [found, ..] => Err(XmlError::WrongKeyType { element: name, found }),
    }
}

/// An element that holds a key.
pub(super) fn holding_key(name: &'static str, key: &PublicKey) -> Element {
    let mut bytes = [CURVE25519; 33];
    let [_, u @ ..] = &mut bytes;
    u.copy_from_slice(key.as_bytes());
    holding(name, NAMESPACE, &bytes)
}
