//! Stanza content encryption (XEP-0420) with the profile of OMEMO (XEP-0384, section 5.5.1): what is encrypted is an
//! `<envelope>` around the content, with affixes that say who wrote it, to whom, when, and padding.
//!
//! ```
//! use minidom::Element;
//! use omemo_sansio::{BareJid, Timestamp};
//! use omemo_xml::sce::{Destination, Envelope, Expectations};
//!
//! # struct Rng;
//! # impl rand_core::TryRng for Rng {
//! #     type Error = std::convert::Infallible;
//! #     fn try_next_u32(&mut self) -> Result<u32, Self::Error> { Ok(4) }
//! #     fn try_next_u64(&mut self) -> Result<u64, Self::Error> { Ok(4) }
//! #     fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> { bytes.fill(4); Ok(()) }
//! # }
//! # impl rand_core::TryCryptoRng for Rng {}
//! # let mut rng = Rng;
//! let (romeo, room) = (BareJid::new("romeo@montague.lit")?, BareJid::new("room@conference.capulet.lit")?);
//! let body = Element::builder("body", "jabber:client").append("Hello World!").build();
//! let sent = Envelope::new(vec![body])
//!     .with_from(&romeo)
//!     .with_to(&room)
//!     .with_time(Timestamp::from_unix(1_700_000_000));
//! let plaintext = sent.to_bytes(&mut rng)?;
//!
//! let received = Envelope::from_bytes(&plaintext)?;
//! assert_eq!(received, sent);
//! let expected = Expectations { sender: &romeo, destination: Destination::Room(&room), sent: None };
//! assert!(received.check(&expected).is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
pub mod datetime;
mod envelope;
mod padding;

pub use check::{Destination, Expectations, Mismatch, SentTime};
pub use envelope::{Envelope, is_server_processed};
pub use padding::MAX_PADDING;

/// The namespace of the envelope and its affixes (XEP-0420, version 0.4 and later).
pub const NAMESPACE: &str = "urn:xmpp:sce:1";
