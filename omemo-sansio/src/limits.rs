//! How much is taken from others, and kept.

use core::ops::RangeInclusive;

use crate::ratchet::{MAX_SKIPPED_KEYS, SkipLimits};
use crate::settings::InvalidSettings;
use crate::{MAX_BUNDLE_PRE_KEYS, MAX_DEVICES, MAX_LABEL};

/// The most bytes a payload may have: 10 MiB.
pub const MAX_PAYLOAD: usize = 10 << 20;

/// The most messages that wait in the inbox: 10,000.
pub const MAX_INBOX_MESSAGES: u32 = 10_000;

/// The most bytes that their plaintexts may have together: 64 MiB.
pub const MAX_INBOX_BYTES: u64 = 64 << 20;

/// How much is taken from others, and kept. The defaults are the most there may be; an application with little room, or
/// with many accounts, takes less. What several processes do for one account they should do by the same limits.
///
/// What is the same for all is not here: a page of [`decrypt_many`](crate::Account::decrypt_many)
/// ([`MAX_PAGE`](crate::MAX_PAGE)), recipients of a message ([`MAX_RECIPIENTS`](crate::MAX_RECIPIENTS)), its key elements
/// ([`MAX_KEY_ELEMENTS`](crate::MAX_KEY_ELEMENTS)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Message keys that a message may skip and a session keeps. A message that skips more is refused as
    /// [`TooManySkippedMessageKeys`](crate::DecryptFailure::TooManySkippedMessageKeys); beyond what a session keeps, the
    /// oldest are dropped.
    pub skipped_keys: SkipLimits,
    /// Devices of another account: 1 to 200, which is the default. Of a list with more the rest is left out and counted
    /// ([`DeviceListChange::left_out`](crate::DeviceListChange::left_out)). The own lists are cut after 200 alone, since
    /// they are published again.
    pub devices: usize,
    /// Pre keys of another device's bundle: 100, which a bundle should have, to 1,000, which is the default. A bundle with
    /// more is not used ([`BundleFailure::TooManyPreKeys`](crate::BundleFailure::TooManyPreKeys)).
    pub bundle_pre_keys: usize,
    /// Bytes of a label in UTF-8: 1 to 212, which is the default: 53 code points (XEP-0384, section 5.3.1). A longer one
    /// of another device is ignored, an own one refused ([`Error::TooLarge`](crate::Error::TooLarge)).
    pub label: usize,
    /// Bytes of a plaintext, and of a payload but for what encrypting adds: 1,024 to 10 MiB, which is the default. More is
    /// refused ([`Error::TooLarge`](crate::Error::TooLarge)).
    pub payload: usize,
    /// Messages that wait in the inbox: 1 to 10,000, which is the default. While it is full, messages are refused
    /// ([`Error::InboxFull`](crate::Error::InboxFull)).
    pub inbox_messages: u32,
    /// Bytes of the plaintexts that wait there: 1 to 64 MiB, which is the default. Checked before a message is taken in, so
    /// that the last one may lie above it.
    pub inbox_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            skipped_keys: SkipLimits::default(),
            devices: MAX_DEVICES,
            bundle_pre_keys: MAX_BUNDLE_PRE_KEYS,
            label: MAX_LABEL,
            payload: MAX_PAYLOAD,
            inbox_messages: MAX_INBOX_MESSAGES,
            inbox_bytes: MAX_INBOX_BYTES,
        }
    }
}

impl Limits {
    pub(crate) fn check(&self) -> Result<(), InvalidSettings> {
        let Self {
            skipped_keys: SkipLimits {
                per_message,
                per_session,
            },
            devices,
            bundle_pre_keys,
            label,
            payload,
            inbox_messages,
            inbox_bytes,
        } = *self;
        let of_size = |name, value, least, most| of(name, value as u64, least..=most as u64);
        let of_number = |name, value, least, most| of(name, u64::from(value), least..=u64::from(most));
        of_number("skipped_keys.per_session", per_session, 0, MAX_SKIPPED_KEYS)?;
        if per_message > per_session || (per_message == 0) != (per_session == 0) {
            return Err(InvalidSettings::SkippedKeys {
                per_message,
                per_session,
            });
        }
        of_size("devices", devices, 1, MAX_DEVICES)?;
        of_size("bundle_pre_keys", bundle_pre_keys, 100, MAX_BUNDLE_PRE_KEYS)?;
        of_size("label", label, 1, MAX_LABEL)?;
        of_size("payload", payload, 1024, MAX_PAYLOAD)?;
        of_number("inbox_messages", inbox_messages, 1, MAX_INBOX_MESSAGES)?;
        of("inbox_bytes", inbox_bytes, 1..=MAX_INBOX_BYTES)
    }
}

/// Checks one limit.
fn of(limit: &'static str, value: u64, bounds: RangeInclusive<u64>) -> Result<(), InvalidSettings> {
    if bounds.contains(&value) {
        return Ok(());
    }
    let (least, most) = bounds.into_inner();
    Err(InvalidSettings::Limit {
        limit,
        value,
        least,
        most,
    })
}
