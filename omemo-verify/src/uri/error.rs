//! What can be wrong with a URI.

use omemo_sansio::{DeviceId, InvalidJid, MAX_DEVICES};

use super::MAX_URI;

/// Why a text is no URI to verify by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// It is longer than [`MAX_URI`]; its length in bytes.
    #[error("a URI has {0} bytes, more than {MAX_URI}")]
    TooLong(usize),
    /// It does not begin with `xmpp:`.
    #[error("this is no xmpp: URI")]
    NotXmpp,
    /// A `%` is not followed by two hexadecimal digits, or what is encoded is not UTF-8.
    #[error("a URI is not percent-encoded as it should be")]
    PercentEncoding,
    /// What it names is no account.
    #[error("a URI does not name an account")]
    Jid(#[source] InvalidJid),
    /// A parameter `omemo-sid-` is not followed by a device id from 0 to 2^32 - 1.
    #[error("a parameter omemo-sid- does not name a device")]
    Device,
    /// A fingerprint is not 64 hexadecimal digits, nor 66 that begin with 05.
    #[error("the fingerprint of device {0} is not 64 hexadecimal digits")]
    Fingerprint(DeviceId),
    /// It has two fingerprints for one device.
    #[error("there are two fingerprints for device {0}")]
    Contradiction(DeviceId),
    /// It names more than [`MAX_DEVICES`] devices.
    #[error("a URI names more than {MAX_DEVICES} devices")]
    TooManyDevices,
    /// It is no trust message URI: its query type is not `trust-message`.
    #[error("this is no trust message URI")]
    NotTrustMessage,
    /// A trust message URI does not name one protocol of OMEMO.
    #[error("a trust message URI does not name a protocol of OMEMO")]
    Encryption,
    /// What a trust message URI says to trust or to distrust are not 64 hexadecimal digits.
    #[error("a key of a trust message URI is not 64 hexadecimal digits")]
    Key,
    /// A trust message URI names no key.
    #[error("a trust message URI names no key")]
    NoKeys,
}
