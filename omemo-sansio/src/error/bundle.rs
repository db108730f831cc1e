//! Why no session can be opened with a device.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use super::NetworkError;
use crate::DeviceId;
use crate::keys::IdentityKey;
use crate::ratchet::KeyExchangeError;

/// A device presents another identity key than it is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("device {device} presents another identity key than it is known by")]
pub struct Inconsistency {
    /// The device.
    pub device: DeviceId,
    /// The key it is known by.
    pub known: IdentityKey,
    /// The key in its message or its bundle.
    pub presented: IdentityKey,
}

/// How a key exchange that we began failed, for one device.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BundleFailure {
    /// The device has no bundle.
    Missing,
    /// The bundle could not be downloaded.
    Network(NetworkError),
    /// The bundle holds no pre key; key exchanges without one are not allowed (XEP-0384, section 4.3).
    NoPreKeys,
    /// The bundle holds more pre keys than [`Limits::bundle_pre_keys`](crate::Limits::bundle_pre_keys).
    TooManyPreKeys {
        /// How many it holds.
        count: usize,
        /// How many it may hold.
        limit: usize,
    },
    /// The bundle cannot be used.
    Invalid(Arc<KeyExchangeError>),
    /// The bundle holds another identity key than the device is known by.
    Inconsistent(Box<Inconsistency>),
}

impl fmt::Display for BundleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the device has no bundle"),
            Self::NoPreKeys => f.write_str("the bundle holds no pre key"),
            Self::TooManyPreKeys { count, limit } => {
                write!(f, "the bundle holds {count} pre keys, more than {limit}")
            }
            Self::Network(error) => write!(f, "the bundle could not be downloaded: {error}"),
            Self::Invalid(error) => write!(f, "the bundle cannot be used: {error}"),
            Self::Inconsistent(inconsistency) => inconsistency.fmt(f),
        }
    }
}

impl core::error::Error for BundleFailure {}
