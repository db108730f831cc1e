//! What people compare to verify each other's OMEMO keys, and what applications show and scan for them.
//!
//! - [`Color`]: a fingerprint's groups in the colours that every client gives them (XEP-0384, section 7; XEP-0392).
//! - [`VerificationUri`]: `xmpp:romeo@montague.lit?omemo-sid-31415=..`, as it stands in a QR code or on a visiting card.
//! - [`compare`]: what such a URI says about the devices that are known of its account.
//! - [`TrustMessageUri`]: a trust message as a URI (XEP-0434), and what follows from it.
#![cfg_attr(
    feature = "qr",
    doc = "- [`qr`]: a URI as a QR code, for a terminal or as SVG."
)]
//!
//! Both protocols use the same URIs and fingerprints, since a device has one identity in both. Nothing here is stored:
//! [`Account::set_trust`](omemo_sansio::Account::set_trust) is called by the application, once its user agrees.
//!
//! ```
//! use omemo_sansio::Devices;
//! use omemo_verify::{Finding, VerificationUri, compare};
//!
//! /// The devices whose keys are now known to be authentic.
//! fn scanned(text: &str, known: &Devices) -> Result<usize, omemo_verify::UriError> {
//!     let uri = VerificationUri::parse(text)?;
//!     let findings = compare(&uri, known);
//!     Ok(findings.values().filter(|finding| matches!(finding, Finding::Matches(_))).count())
//! }
//!
//! let none = Devices { devices: Vec::new(), unlisted: Vec::new(), unidentified: Vec::new() };
//! assert_eq!(scanned("xmpp:romeo@montague.lit", &none)?, 0);
//! # Ok::<(), omemo_verify::UriError>(())
//! ```

mod color;
mod compare;
mod hsluv;
#[cfg(feature = "qr")]
pub mod qr;
mod uri;

pub use color::{Color, Group, groups, hue};
pub use compare::{Finding, compare};
pub use uri::{MAX_URI, TrustDecisions, TrustMessageUri, UriError, VerificationUri};
