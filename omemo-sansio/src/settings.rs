//! What an application chooses.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::protocol::{Omemo2, Protocol};
use crate::ratchet::Limits;
use crate::trust::{BlindTrustBeforeVerification, TrustPolicy};
use crate::{BareJid, Namespace};

/// A day in seconds.
const DAY: u64 = 86_400;

/// What an application chooses for an account. Begin with [`Settings::new`] and change what should differ.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account's bare JID; also its name in the storage.
    pub jid: BareJid,
    /// The protocols that are spoken, most preferred first.
    pub protocols: Vec<Arc<dyn Protocol>>,
    /// Which identity keys are trusted.
    pub trust: Arc<dyn TrustPolicy>,
    /// How many message keys may be skipped.
    pub limits: Limits,
    /// How long a signed pre key is published before it is replaced, in seconds: one day to 90 days. The default is a
    /// week (XEP-0384, section 4.3: once a week to once a month).
    pub rotation_period: u64,
    /// Below how many pre keys the pool is refilled to 100: 25 to 99. The default is 99: each used one is replaced.
    pub pre_key_threshold: usize,
}

impl Settings {
    /// The defaults: OMEMO 2, blind trust before verification.
    pub fn new(jid: BareJid) -> Self {
        Self {
            jid,
            protocols: Vec::from([Arc::new(Omemo2) as Arc<dyn Protocol>]),
            trust: Arc::new(BlindTrustBeforeVerification),
            limits: Limits::default(),
            rotation_period: 7 * DAY,
            pre_key_threshold: 99,
        }
    }

    /// Checks what can be wrong.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`] naming the first value that is out of its bounds.
    pub fn check(&self) -> Result<(), InvalidSettings> {
        if !(DAY..=90 * DAY).contains(&self.rotation_period) {
            Err(InvalidSettings::RotationPeriod(self.rotation_period))
        } else if !(25..=99).contains(&self.pre_key_threshold) {
            Err(InvalidSettings::PreKeyThreshold(self.pre_key_threshold))
        } else if self.protocols.is_empty() {
            Err(InvalidSettings::NoProtocol)
        } else if self.limits.per_message > self.limits.per_session
            || (self.limits.per_message == 0) != (self.limits.per_session == 0)
        {
            Err(InvalidSettings::Limits)
        } else {
            Ok(())
        }
    }

    /// The protocol of a namespace, if it is spoken.
    pub(crate) fn protocol(&self, namespace: &Namespace) -> Option<&Arc<dyn Protocol>> {
        self.protocols
            .iter()
            .find(|protocol| protocol.namespace() == *namespace)
    }

    pub(crate) fn namespaces(&self) -> impl Iterator<Item = Namespace> {
        self.protocols.iter().map(|protocol| protocol.namespace())
    }
}

/// Which setting is out of its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidSettings {
    /// [`Settings::rotation_period`] is not 1 to 90 days; its value in seconds.
    RotationPeriod(u64),
    /// [`Settings::pre_key_threshold`] is not 25 to 99.
    PreKeyThreshold(usize),
    /// [`Settings::protocols`] is empty.
    NoProtocol,
    /// [`Limits::per_message`] is above [`Limits::per_session`], or just one of them is 0.
    Limits,
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
            Self::Limits => f.write_str("the limit per message is above the limit per session, or one is 0"),
        }
    }
}

impl core::error::Error for InvalidSettings {}
