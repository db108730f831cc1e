//! `xmpp:` URIs with the fingerprints of an account's devices.

mod error;
mod parse;
mod percent;
mod trust_message;

use std::collections::BTreeMap;
use std::fmt;

use omemo_sansio::keys::Fingerprint;
use omemo_sansio::{BareJid, DeviceId};

pub use error::UriError;
use percent::Encoded;
pub use trust_message::{TrustDecisions, TrustMessageUri};

/// The most bytes of a URI: 64 KiB, enough for the fingerprints of all devices that an account may have.
pub const MAX_URI: usize = 64 * 1024;

/// What begins the name of a parameter; the device id follows.
const PARAMETER: &str = "omemo-sid-";

/// An account and the fingerprints of its devices: `xmpp:romeo@montague.lit?omemo-sid-31415=6fd1..`. Conversations, Dino,
/// Gajim and others show and scan such URIs (RFC 5122; the parameter stands in no specification). They are the same in
/// OMEMO 2 and legacy OMEMO.
///
/// Its `Display` writes it, parameters in the order of their ids. Two are equal if they say the same, however they were
/// written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationUri {
    /// The account.
    pub jid: BareJid,
    /// The fingerprint of each device, at most [`MAX_DEVICES`](omemo_sansio::MAX_DEVICES).
    pub fingerprints: BTreeMap<DeviceId, Fingerprint>,
}

impl VerificationUri {
    /// Reads a URI as it was scanned. Lenient where writers differ: letters in any case, anything percent-encoded,
    /// parameters apart by `;` or `&` and after any query type, hexadecimal digits apart by spaces, and fingerprints of 33
    /// bytes, as legacy OMEMO puts keys on the wire. An authority, a resource, a fragment and other parameters are ignored.
    ///
    /// The JID becomes lower-case, since it may have been typed; further normalisation is the caller's.
    ///
    /// # Errors
    ///
    /// [`UriError`]. One malformed fingerprint refuses the whole URI: whoever verifies must not be told half of it.
    ///
    /// ```
    /// use omemo_verify::VerificationUri;
    ///
    /// let digits = "623548d3835c6d33ef5cb680f7944ef381cf712bf23a0119dabe5c4f252cd02f";
    /// let uri = VerificationUri::parse(&format!("XMPP:Romeo@montague.lit?message;OMEMO-SID-31415={digits}"))?;
    /// assert_eq!(uri.to_string(), format!("xmpp:romeo@montague.lit?omemo-sid-31415={digits}"));
    /// # Ok::<(), omemo_verify::UriError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, UriError> {
        parse::parse(text)
    }
}

impl fmt::Display for VerificationUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xmpp:{}", Encoded(self.jid.as_str()))?;
        for (index, (device, fingerprint)) in self.fingerprints.iter().enumerate() {
            let apart = if index == 0 { '?' } else { ';' };
            write!(f, "{apart}{PARAMETER}{device}=")?;
            fingerprint
                .as_bytes()
                .iter()
                .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        }
        Ok(())
    }
}
