//! The XML of OMEMO (XEP-0384) and of stanza content encryption (XEP-0420), to and from the types of
//! [`omemo_sansio`]. No network and no keys: what is read here is well-formed, not yet authenticated.
//!
//! - [`omemo2`] reads and writes device lists, bundles and `<encrypted>` of `urn:xmpp:omemo:2`; [`Format`] picks the
//!   module by namespace.
//! - [`sce`] is the envelope that stands encrypted in a payload of OMEMO 2.
//! - [`parse`] and [`write()`] go between text and [`minidom::Element`], within bounds.
//!
//! Unknown attributes and elements are ignored (RFC 6120, section 8.4); where an element that may stand once stands
//! more often, the first counts. An entry of a list that makes no sense is skipped and the others are kept; where
//! what cannot be done without is missing or malformed, an [`XmlError`] says what and where.
//!
//! ```
//! use omemo_xml::{Format, omemo2};
//!
//! let stanza = omemo_xml::parse(
//!     "<message xmlns='jabber:client'>
//!        <encrypted xmlns='urn:xmpp:omemo:2'>
//!          <header sid='27183'><keys jid='juliet@capulet.lit'><key rid='31415'>AQID</key></keys></header>
//!        </encrypted>
//!      </message>",
//! )?;
//! for child in stanza.children() {
//!     if let Some(format) = Format::of_element(child) {
//!         let message = format.encrypted_from_xml(child)?;
//!         assert_eq!(message.sender_device.get(), 27183);
//!         assert!(message.payload.is_none());
//!     }
//! }
//! # Ok::<(), omemo_xml::XmlError>(())
//! ```

mod error;
mod format;
pub mod omemo2;
mod read;
pub mod sce;
mod text;

pub use error::XmlError;
pub use format::Format;
pub use text::{MAX_DEPTH, MAX_DOCUMENT, MAX_NODES, parse, write};
