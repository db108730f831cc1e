//! Why nothing was encrypted, or not to everybody.

use alloc::vec::Vec;
use core::fmt;

use super::{BundleFailure, NetworkError};
use crate::keys::IdentityKey;
use crate::protocol::PayloadError;
use crate::ratchet::EncryptError;
use crate::trust::UndecidedKey;
use crate::{BareJid, DeviceId, Namespace};

/// Why nothing was encrypted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptFailure {
    /// The question was asked and these keys are still undecided; decisions that were made are kept.
    #[error("identity keys are still undecided: {}", .0.len())]
    StillUndecided(Vec<UndecidedKey>),
    /// Nobody could be asked about undecided keys.
    #[error("nobody could be asked whom to trust: {0}")]
    TrustDecisionFailed(#[source] NetworkError),
    /// These recipients have no device that could be written to. What is known of each device is in `skipped` of the
    /// attempt.
    #[error("recipients without a device that could be written to: {}", .jids.len())]
    NoEligibleDevices {
        /// The recipients.
        jids: Vec<BareJid>,
        /// Why each of their devices, and of the others', was left out.
        skipped: Vec<SkippedDevice>,
    },
    /// No recipient was given.
    #[error("no recipient was given")]
    NoRecipient,
    /// A ratchet cannot go on.
    #[error("the session with device {device} cannot encrypt: {source}")]
    Session {
        /// The device.
        device: DeviceId,
        /// What is wrong.
        source: EncryptError,
    },
    /// The plaintext cannot be encrypted.
    #[error("the plaintext cannot be encrypted: {0}")]
    Payload(#[source] PayloadError),
}

/// A device, or all devices of an account for one protocol, that a message was not encrypted to.
#[derive(Clone, Debug)]
pub struct SkippedDevice {
    /// The account.
    pub jid: BareJid,
    /// The device; `None`: the account's device list is not known.
    pub device: Option<DeviceId>,
    /// Why.
    pub reason: SkipReason,
}

/// Says which, and why: `juliet@capulet.lit, device 1423: its identity key is distrusted`.
impl fmt::Display for SkippedDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { jid, device, reason } = self;
        match device {
            Some(device) => write!(f, "{jid}, device {device}: {reason}"),
            None => write!(f, "{jid}: {reason}"),
        }
    }
}

/// Why a device was left out.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// No session could be opened with it.
    #[error("no session could be opened with it: {0}")]
    Bundle(BundleFailure),
    /// Its identity key is distrusted.
    #[error("its identity key is distrusted")]
    Distrusted(IdentityKey),
    /// Its identity key is not authenticated, and the message is for those alone whose keys are.
    #[error("its identity key is not authenticated")]
    NotAuthenticated(IdentityKey),
    /// It is on the lists of protocols alone for which no plaintext was given.
    #[error("no plaintext was given for a protocol that it speaks")]
    NoCommonProtocol,
    /// The account has no device on any list: it does not use OMEMO.
    #[error("the account does not use OMEMO")]
    NoDevices,
    /// The account's device list could not be downloaded.
    #[error("the device list for {0} could not be downloaded: {1}")]
    DeviceList(Namespace, NetworkError),
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn who_is_skipped_is_said() {
        let jid = BareJid::new("juliet@capulet.lit").unwrap();
        let device = SkippedDevice {
            jid: jid.clone(),
            device: Some(DeviceId::new(1423)),
            reason: SkipReason::Bundle(BundleFailure::NoPreKeys),
        };
        let account = SkippedDevice {
            jid,
            device: None,
            reason: SkipReason::NoDevices,
        };
        assert_eq!(
            device.to_string(),
            "juliet@capulet.lit, device 1423: no session could be opened with it: the bundle holds no pre key"
        );
        assert_eq!(
            account.to_string(),
            "juliet@capulet.lit: the account does not use OMEMO"
        );
    }
}
