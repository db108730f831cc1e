//! The XML of OMEMO (XEP-0384) and of stanza content encryption (XEP-0420), to and from the types of
//! [`omemo_sansio`]. No network and no keys: what is read here is well-formed, not yet authenticated.
//!
//! - [`omemo2`] reads and writes device lists, bundles and `<encrypted>` of `urn:xmpp:omemo:2`, [`legacy`] those of
//!   `eu.siacs.conversations.axolotl`; [`Format`] picks the module by namespace, and names nodes and items of PEP.
//! - [`sce`] is the envelope that stands encrypted in a payload of OMEMO 2.
//! - [`trust_message_from_xml`] reads what devices tell each other about keys (XEP-0434), which stands in such an envelope.
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
//! for (format, encrypted) in Format::encrypted_in(&stanza) {
//!     let message = format.encrypted_from_xml(encrypted)?;
//!     assert_eq!(message.sender_device.get(), 27183);
//!     assert!(message.payload.is_none());
//! }
//! # Ok::<(), omemo_xml::XmlError>(())
//! ```

mod error;
mod format;
pub mod legacy;
pub mod omemo2;
mod pep;
mod read;
pub mod sce;
mod text;
mod trust_message;

pub use error::XmlError;
pub use format::Format;
pub use pep::CURRENT;
pub use text::{MAX_DEPTH, MAX_DOCUMENT, MAX_NODES, parse, write};
pub use trust_message::{TRUST_MESSAGE, trust_message_from_xml, trust_message_to_xml};
