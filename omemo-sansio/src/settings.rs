//! What an application chooses.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use crate::protocol::{Legacy, Omemo2, Protocol};
use crate::trust::{BlindTrustBeforeVerification, TrustPolicy};
use crate::{BareJid, HideDuringCatchUp, Limits, Namespace, PreKeyPolicy};

/// A day in seconds.
pub(crate) const DAY: u64 = 86_400;

/// What [`Settings::rotation_period`] may be.
pub(crate) const ROTATION_PERIODS: RangeInclusive<u64> = DAY..=90 * DAY;

/// What [`Settings::pre_key_threshold`] may be.
pub(crate) const PRE_KEY_THRESHOLDS: RangeInclusive<usize> = 25..=99;

/// What an application chooses for an account. Begin with [`Settings::new`] and change what should differ.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account's bare JID; also its name in the storage.
    pub jid: BareJid,
    /// The protocols that are spoken, most preferred first, each once: every device is written to in the first one that
    /// both sides speak and that a plaintext was given for.
    pub protocols: Vec<Arc<dyn Protocol>>,
    /// Which identity keys are trusted.
    pub trust: Arc<dyn TrustPolicy>,
    /// How much is taken from others, and kept.
    pub limits: Limits,
    /// How long a signed pre key is published before it is replaced, in seconds: one day to 90 days. The default is a
    /// week (XEP-0384, section 4.3: once a week to once a month).
    pub rotation_period: u64,
    /// At how many pre keys the pool is refilled to 100: 25 to 99. The default is 99: each used one is replaced.
    pub pre_key_threshold: usize,
    /// What becomes of a pre key that was used. By default it is deleted, but kept while a catch-up is open.
    pub pre_key_policy: Arc<dyn PreKeyPolicy>,
    /// Whether plaintexts are kept, in the same commit, until the application acknowledges them; off by default. With it no
    /// crash comes between the commit and the application's own database; but plaintexts lie in the storage meanwhile, and
    /// each message costs two more records. A message that is delivered again before it is acknowledged is handed out again
    /// too, with the same [`InboxId`](crate::InboxId).
    pub inbox: bool,
    /// After how long without a word a device of the own account is reported as silent, in seconds: one day to ten years
    /// (3,650 days); 90 days by default. Nothing happens to it.
    pub silent_after: u64,
}

impl Settings {
    /// The defaults: OMEMO 2, then legacy OMEMO; blind trust before verification.
    pub fn new(jid: BareJid) -> Self {
        Self {
            jid,
            protocols: Vec::from([Arc::new(Omemo2) as Arc<dyn Protocol>, Arc::new(Legacy)]),
            trust: Arc::new(BlindTrustBeforeVerification),
            limits: Limits::default(),
            rotation_period: 7 * DAY,
            pre_key_threshold: 99,
            pre_key_policy: Arc::new(HideDuringCatchUp),
            inbox: false,
            silent_after: 90 * DAY,
        }
    }

    /// Checks what can be wrong.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`] naming the first value that is out of its bounds.
    pub fn check(&self) -> Result<(), InvalidSettings> {
        if !ROTATION_PERIODS.contains(&self.rotation_period) {
            Err(InvalidSettings::RotationPeriod(self.rotation_period))
        } else if !PRE_KEY_THRESHOLDS.contains(&self.pre_key_threshold) {
            Err(InvalidSettings::PreKeyThreshold(self.pre_key_threshold))
        } else if self.protocols.is_empty() {
            Err(InvalidSettings::NoProtocol)
        } else if let Some(namespace) = self.repeated_protocol() {
            Err(InvalidSettings::RepeatedProtocol(namespace))
        } else if !(DAY..=3650 * DAY).contains(&self.silent_after) {
            Err(InvalidSettings::SilentAfter(self.silent_after))
        } else {
            self.limits.check()
        }
    }

    fn repeated_protocol(&self) -> Option<Namespace> {
        let mut seen = BTreeSet::new();
        self.namespaces()
            .find(|namespace| !seen.insert(namespace.clone()))
    }

    /// The protocol of a namespace, if it is spoken.
    pub(crate) fn protocol(&self, namespace: &Namespace) -> Option<&Arc<dyn Protocol>> {
        self.protocols
            .iter()
            .find(|protocol| protocol.namespace() == *namespace)
    }

    /// Whether the device lists of a namespace carry labels.
    pub(crate) fn supports_labels(&self, namespace: &Namespace) -> bool {
        self.protocol(namespace)
            .is_some_and(|protocol| protocol.supports_labels())
    }

    pub(crate) fn namespaces(&self) -> impl Iterator<Item = Namespace> {
        self.protocols.iter().map(|protocol| protocol.namespace())
    }
}

/// Which setting is out of its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidSettings {
    /// [`Settings::rotation_period`] is not 1 to 90 days; its value in seconds.
    RotationPeriod(u64),
    /// [`Settings::pre_key_threshold`] is not 25 to 99.
    PreKeyThreshold(usize),
    /// [`Settings::protocols`] is empty.
    NoProtocol,
    /// [`Settings::protocols`] has this one more than once.
    RepeatedProtocol(Namespace),
    /// [`Settings::silent_after`] is not 1 to 3,650 days; its value in seconds.
    SilentAfter(u64),
    /// [`SkipLimits::per_message`](crate::ratchet::SkipLimits::per_message) is above
    /// [`per_session`](crate::ratchet::SkipLimits::per_session), or just one of them is 0.
    SkippedKeys {
        /// Of one message.
        per_message: u32,
        /// Of a session.
        per_session: u32,
    },
    /// One of the [`Limits`] is out of its bounds.
    Limit {
        /// The field.
        limit: &'static str,
        /// Its value.
        value: u64,
        /// The least it may be.
        least: u64,
        /// The most it may be.
        most: u64,
    },
}

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RotationPeriod(seconds) => {
                write!(f, "a rotation period of {seconds} s is not 1 to 90 days")
            }
            Self::PreKeyThreshold(threshold) => {
                write!(f, "a pre key threshold of {threshold} is not 25 to 99")
            }
            Self::NoProtocol => f.write_str("no protocol is chosen"),
            Self::RepeatedProtocol(namespace) => write!(f, "the protocol {namespace} is chosen twice"),
            Self::SilentAfter(seconds) => {
                write!(
                    f,
                    "a device is not silent after {seconds} s, but after 1 to 3,650 days"
                )
            }
            Self::SkippedKeys {
                per_message,
                per_session,
            } => write!(
                f,
                "{per_message} skipped keys a message do not go with {per_session} a session"
            ),
            Self::Limit {
                limit,
                value,
                least,
                most,
            } => write!(f, "the limit {limit} of {value} is not {least} to {most}"),
        }
    }
}

impl core::error::Error for InvalidSettings {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::ratchet::SkipLimits;

    fn checked(change: impl FnOnce(&mut Settings)) -> Result<(), InvalidSettings> {
        let mut settings = Settings::new(BareJid::new("romeo@montague.lit").unwrap());
        change(&mut settings);
        settings.check()
    }

    /// What lies at the bounds is taken, what lies past them refused, by `expected` or as that limit.
    fn bounds<T: TryFrom<u64>>(
        least: u64,
        most: u64,
        set: impl Fn(&mut Settings, T),
        expected: impl Fn(u64) -> InvalidSettings,
    ) {
        for value in [least, least + 1, most - 1, most] {
            let value = T::try_from(value).ok().unwrap();
            assert_eq!(checked(|settings| set(settings, value)), Ok(()));
        }
        for value in [least - 1, most + 1] {
            let given = T::try_from(value).ok().unwrap();
            let refused = checked(|settings| set(settings, given));
            assert_eq!(refused, Err(expected(value)));
        }
    }

    fn limit<T: TryFrom<u64>>(limit: &'static str, least: u64, most: u64, set: impl Fn(&mut Limits, T)) {
        bounds(
            least,
            most,
            |settings, value| set(&mut settings.limits, value),
            |value| InvalidSettings::Limit {
                limit,
                value,
                least,
                most,
            },
        );
    }

    #[test]
    fn the_defaults_are_within_their_bounds() {
        assert_eq!(checked(|_| {}), Ok(()));
    }

    #[test]
    fn periods_and_the_threshold_have_bounds() {
        bounds(
            DAY,
            90 * DAY,
            |settings, value| settings.rotation_period = value,
            InvalidSettings::RotationPeriod,
        );
        bounds(
            DAY,
            3650 * DAY,
            |settings, value| settings.silent_after = value,
            InvalidSettings::SilentAfter,
        );
        bounds(
            25,
            99,
            |settings, value| settings.pre_key_threshold = value,
            |value| InvalidSettings::PreKeyThreshold(value.try_into().unwrap()),
        );
    }

    #[test]
    fn every_limit_has_bounds() {
        limit("devices", 1, 200, |limits, value| limits.devices = value);
        limit("bundle_pre_keys", 100, 1000, |limits, value| {
            limits.bundle_pre_keys = value;
        });
        limit("label", 1, 212, |limits, value| limits.label = value);
        limit("payload", 1024, 10 << 20, |limits, value| limits.payload = value);
        limit("inbox_messages", 1, 10_000, |limits, value| {
            limits.inbox_messages = value;
        });
        limit("inbox_bytes", 1, 64 << 20, |limits, value| {
            limits.inbox_bytes = value
        });
    }

    #[test]
    fn skipped_keys_have_bounds() {
        let skipping = |per_message, per_session| {
            checked(|settings| {
                settings.limits.skipped_keys = SkipLimits {
                    per_message,
                    per_session,
                };
            })
        };
        for (per_message, per_session) in [(0, 0), (1, 1), (1, 1000), (1000, 1000)] {
            assert_eq!(skipping(per_message, per_session), Ok(()));
        }
        for (per_message, per_session) in [(1, 0), (0, 1), (2, 1), (1000, 999)] {
            let refused = InvalidSettings::SkippedKeys {
                per_message,
                per_session,
            };
            assert_eq!(skipping(per_message, per_session), Err(refused));
        }
        let refused = InvalidSettings::Limit {
            limit: "skipped_keys.per_session",
            value: 1001,
            least: 0,
            most: 1000,
        };
        assert_eq!(skipping(1000, 1001), Err(refused));
    }

    #[test]
    fn each_protocol_is_chosen_once_and_one_at_least() {
        let choosing = |protocols: Vec<Arc<dyn Protocol>>| checked(|settings| settings.protocols = protocols);
        assert_eq!(choosing(Vec::new()), Err(InvalidSettings::NoProtocol));
        assert_eq!(choosing(Vec::from([Arc::new(Legacy) as _])), Ok(()));
        let twice = Vec::from([
            Arc::new(Omemo2) as _,
            Arc::new(Legacy) as _,
            Arc::new(Omemo2) as _,
        ]);
        let refused = InvalidSettings::RepeatedProtocol(Namespace::OMEMO_2);
        assert_eq!(choosing(twice), Err(refused));
    }

    #[test]
    fn a_refusal_says_which_setting_and_what_it_may_be() {
        let refused = checked(|settings| settings.limits.devices = 201).unwrap_err();
        assert_eq!(refused.to_string(), "the limit devices of 201 is not 1 to 200");
        let account = crate::Account::new(Settings {
            silent_after: 0,
            ..Settings::new(BareJid::new("romeo@montague.lit").unwrap())
        });
        let error = account.unwrap_err().to_string();
        assert!(error.contains("after 0 s, but after 1 to 3,650 days"), "{error}");
    }
}
