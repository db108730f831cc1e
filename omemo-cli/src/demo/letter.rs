//! What is encrypted: an SCE envelope (XEP-0420) around the body of a message.

use getrandom::SysRng;
use minidom::Element;
use omemo::{BareJid, Timestamp};
use omemo_xml::XmlError;
use omemo_xml::sce::{Destination, Envelope, Expectations, SentTime};
use rand_core::UnwrapErr;

use crate::failure::Failure;

const CLIENT: &str = "jabber:client";

/// How far apart the clocks of two devices may be, in seconds.
const TOLERANCE: u64 = 60;

/// Puts a text in an envelope.
pub(super) fn seal(text: &str, from: &BareJid, to: &BareJid, now: Timestamp) -> Result<Vec<u8>, XmlError> {
    let body = Element::builder("body", CLIENT).append(text).build();
    Envelope::new(vec![body])
        .with_from(from)
        .with_to(to)
        .with_time(now)
        .to_bytes(&mut UnwrapErr(SysRng))
}

/// Takes the text out of an envelope that `from` has to have written to `to`, just now.
pub(super) fn open(
    plaintext: &[u8],
    from: &BareJid,
    to: &BareJid,
    now: Timestamp,
) -> Result<String, Failure> {
    let envelope = Envelope::from_bytes(plaintext)?;
    let expected = Expectations {
        sender: from,
        destination: Destination::Account(to),
        sent: Some(SentTime {
            at: now,
            tolerance: TOLERANCE,
        }),
    };
    if let Some(mismatch) = envelope.check(&expected).first() {
        return Err(Failure::because(
            "an envelope does not belong to its message",
            mismatch,
        ));
    }
    envelope
        .content
        .iter()
        .find(|element| element.is("body", CLIENT))
        .map(Element::text)
        .ok_or_else(|| Failure::new("an envelope holds no body"))
}
