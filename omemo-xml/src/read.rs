//! What the readers and writers of all versions share.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use minidom::Element;
use minidom::rxml::{Namespace, NcName};

use crate::XmlError;

/// Base64 (RFC 4648, section 4); padding may be missing on receipt.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether this is the element that was asked for.
pub(crate) fn expect(element: &Element, name: &'static str, namespace: &'static str) -> Result<(), XmlError> {
    if element.is(name, namespace) {
        Ok(())
    } else {
        Err(XmlError::WrongElement {
            element: name,
            namespace,
        })
    }
}

/// The first child of this name, in the namespace of its parent.
pub(crate) fn child<'a>(
    parent: &'a Element,
    parent_name: &'static str,
    name: &'static str,
    namespace: &'static str,
) -> Result<&'a Element, XmlError> {
    parent.get_child(name, namespace).ok_or(XmlError::MissingElement {
        parent: parent_name,
        element: name,
    })
}

/// The children of this name.
pub(crate) fn children<'a>(
    parent: &'a Element,
    name: &'static str,
    namespace: &'static str,
) -> impl Iterator<Item = &'a Element> {
    parent.children().filter(move |child| child.is(name, namespace))
}

/// An attribute that has to be there.
pub(crate) fn attribute<'a>(
    element: &'a Element,
    name: &'static str,
    attribute: &'static str,
) -> Result<&'a str, XmlError> {
    element.attr(attribute).ok_or(XmlError::MissingAttribute {
        element: name,
        attribute,
    })
}

/// An id: an unsigned integer of 32 bits. Specifications say from 1 to 2^31 - 1, but others occur.
pub(crate) fn id(text: &str) -> Option<u32> {
    text.trim_ascii().parse().ok()
}

/// An id that has to be there.
pub(crate) fn required_id(
    element: &Element,
    name: &'static str,
    attribute: &'static str,
) -> Result<u32, XmlError> {
    id(self::attribute(element, name, attribute)?).ok_or(XmlError::InvalidAttribute {
        element: name,
        attribute,
        expected: "an integer from 0 to 4294967295",
    })
}

/// Decodes base64 that may hold whitespace.
pub(crate) fn decode<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Vec<u8>> {
    let text: Vec<u8> = texts
        .into_iter()
        .flat_map(str::bytes)
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    BASE64.decode(text).ok()
}

/// The bytes that stand in an element.
pub(crate) fn bytes(element: &Element, name: &'static str) -> Result<Vec<u8>, XmlError> {
    decode(element.texts()).ok_or(XmlError::InvalidBase64 { element: name })
}

/// The bytes that stand in an element, which have to be so many.
pub(crate) fn array<const N: usize>(element: &Element, name: &'static str) -> Result<[u8; N], XmlError> {
    let bytes = bytes(element, name)?;
    <[u8; N]>::try_from(bytes.as_slice()).map_err(|_| XmlError::WrongLength {
        element: name,
        expected: N,
        actual: bytes.len(),
    })
}

/// Encodes as base64.
pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// An element that holds bytes.
pub(crate) fn holding(name: &'static str, namespace: &'static str, bytes: &[u8]) -> Element {
    Element::builder(name, namespace).append(encode(bytes)).build()
}

/// Sets an attribute. A name that is none would be left out, but the names used here are good.
pub(crate) fn set(element: &mut Element, name: &'static str, value: impl ToString) {
    if let Ok(name) = NcName::try_from(name) {
        element.set_attr(Namespace::NONE, name, value.to_string());
    }
}

/// Whether XML can carry a text: it forbids most control characters (XML 1.0, section 2.2).
pub(crate) fn is_xml_text(text: &str) -> bool {
    !text.chars().any(
        |c| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'),
    )
}
