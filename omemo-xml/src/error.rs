//! What can be wrong with XML.

use minidom::rxml;
use omemo_sansio::MAX_KEY_ELEMENTS;
use omemo_sansio::keys::InvalidKey;

use crate::text::{MAX_DEPTH, MAX_DOCUMENT, MAX_NODES};

/// Why XML could not be read or written. Elements and attributes are named by their local names.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlError {
    /// The document is longer than [`MAX_DOCUMENT`], or its namespaces are.
    #[error("a document or its namespaces have {bytes} bytes, more than {MAX_DOCUMENT}")]
    TooLong {
        /// The length, or the one at which reading or writing stopped.
        bytes: usize,
    },
    /// Elements stand inside each other deeper than [`MAX_DEPTH`].
    #[error("elements are nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// There are more than [`MAX_NODES`] elements and attributes.
    #[error("a document has more than {MAX_NODES} elements and attributes")]
    TooManyNodes,
    /// The document is not UTF-8.
    #[error("a document is not UTF-8")]
    NotUtf8,
    /// The document is not well-formed, or uses what XMPP forbids (RFC 6120, section 11.1).
    #[error("a document is not well-formed")]
    Malformed(#[source] rxml::Error),
    /// XML has no way to write it: a control character, or a name that is none.
    #[error("XML cannot express it")]
    Unwritable(#[source] rxml::Error),
    /// Another element was expected.
    #[error("this is no <{element}> of {namespace}")]
    WrongElement {
        /// The element that was expected.
        element: &'static str,
        /// Its namespace.
        namespace: &'static str,
    },
    /// An element is missing.
    #[error("<{parent}> has no <{element}>")]
    MissingElement {
        /// The element that should hold it.
        parent: &'static str,
        /// The element that is missing.
        element: &'static str,
    },
    /// An attribute is missing.
    #[error("<{element}> has no attribute {attribute}")]
    MissingAttribute {
        /// The element that should have it.
        element: &'static str,
        /// The attribute that is missing.
        attribute: &'static str,
    },
    /// An attribute does not hold what it should.
    #[error("the attribute {attribute} of <{element}> is not {expected}")]
    InvalidAttribute {
        /// The element that has it.
        element: &'static str,
        /// The attribute.
        attribute: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// The text of an element is not base64.
    #[error("the text of <{element}> is not base64")]
    InvalidBase64 {
        /// The element.
        element: &'static str,
    },
    /// A key or a signature does not have its length.
    #[error("<{element}> holds {actual} bytes instead of {expected}")]
    WrongLength {
        /// The element.
        element: &'static str,
        /// How many bytes it should hold.
        expected: usize,
        /// How many bytes it holds.
        actual: usize,
    },
    /// A key is not of Curve25519, which the byte before it would say (legacy).
    #[error("<{element}> holds a key of type {found} instead of 5")]
    WrongKeyType {
        /// The element.
        element: &'static str,
        /// Its type: the first of its 33 bytes.
        found: u8,
    },
    /// The bytes of an element are no key.
    #[error("<{element}> holds no valid key")]
    InvalidKey {
        /// The element.
        element: &'static str,
        /// Why they are none.
        #[source]
        source: InvalidKey,
    },
    /// A bundle has no pre key that can be used.
    #[error("<{element}> holds no valid pre key")]
    NoPreKeys {
        /// The element that should hold them.
        element: &'static str,
    },
    /// A message has more than [`MAX_KEY_ELEMENTS`] key elements.
    #[error("<{element}> holds more than {MAX_KEY_ELEMENTS} key elements")]
    TooManyKeys {
        /// The element that holds them.
        element: &'static str,
    },
    /// A value has a part that its XML has no place for.
    #[error("<{element}> has no place for {what}")]
    NoPlace {
        /// The element that was to be written.
        element: &'static str,
        /// The part.
        what: &'static str,
    },
}
