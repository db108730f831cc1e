//! Why a message was not decrypted.

use alloc::boxed::Box;

use super::Inconsistency;
use crate::keys::IdentityKey;
use crate::protocol::{PayloadError, WireError};
use crate::ratchet::DecryptError;
use crate::{DeviceId, PreKeyId};

/// Why a message was not decrypted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptFailure {
    /// Several key elements are for this device where there must be one, or, where the protocol does not say whose device
    /// an id belongs to, more than it could be by chance: somebody has put messages together. Their number.
    #[error("the message has {0} key elements for this device")]
    SeveralKeys(usize),
    /// The message was sent by this very device.
    #[error("the message was sent by this device")]
    OwnMessage,
    /// The sending device is on no device list of the sender, even after a refresh.
    #[error("device {0} is on no device list of the sender")]
    SenderNotFound(DeviceId),
    /// The sender's identity key is distrusted.
    #[error("the sender's identity key is distrusted")]
    SenderDistrusted(IdentityKey),
    /// The message needs a session that does not exist. A new one is opened by an empty message through the outbox, at
    /// most once a device and day.
    #[error("there is no session with device {0}")]
    NoSession(DeviceId),
    /// The device's identity key is not the one it was known by.
    #[error(transparent)]
    PublicDataInconsistency(#[from] Box<Inconsistency>),
    /// The key exchange names a pre key that is not there: it was used before, or never existed. A new session is opened
    /// as for [`NoSession`](Self::NoSession); where there is one already, the empty message goes in that.
    #[error("the key exchange needs pre key {0}, which is gone")]
    PreKeyGone(PreKeyId),
    /// The key exchange names a signed pre key that is not kept any more. As for [`PreKeyGone`](Self::PreKeyGone).
    #[error("the key exchange needs signed pre key {0}, which is gone")]
    SignedPreKeyGone(PreKeyId),
    /// Too many messages before this one are missing. Where there is no session with the device, a new one is opened as for
    /// [`NoSession`](Self::NoSession).
    #[error("the message skips {skipped} message keys, more than {limit}")]
    TooManySkippedMessageKeys {
        /// How many would have to be skipped.
        skipped: u32,
        /// How many may be.
        limit: u32,
    },
    /// The key element cannot be decrypted.
    #[error("the key element cannot be decrypted: {0}")]
    Session(#[source] DecryptError),
    /// The key element cannot be read.
    #[error("the key element cannot be read: {0}")]
    Wire(#[source] WireError),
    /// The payload cannot be decrypted.
    #[error("the payload cannot be decrypted: {0}")]
    Payload(#[source] PayloadError),
}

/// What an application can do about a message that was not decrypted. The message itself is lost to this device, unless it
/// comes again in a form that can be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Nothing: the message is malformed, forged or this device's own, and says nothing about the session.
    Ignore,
    /// A person should look at the identity keys of the sender: this one is distrusted, or another than before.
    CheckIdentity,
    /// The sender's device list may be behind: try the message again later.
    TryLater,
    /// The session is lost on this side. The outbox holds a new one, at most one a device and day: flush it, and ask the
    /// sender to send the message again. If the device's messages end so time after time, it goes on in another session than
    /// the one that there is here: replace its sessions.
    Flush,
    /// The two sides of the session do not agree any more. (Where there is none on this side and too many messages are
    /// missing, the outbox holds a new one, as for [`Flush`](Self::Flush).) If more than a message or two of the device end so, replace its
    /// sessions. Never do so by itself: forged messages look the same.
    ReplaceSessions,
}

impl DecryptFailure {
    /// What can be done about it.
    pub fn advice(&self) -> Advice {
        match self {
            Self::SeveralKeys(_) | Self::OwnMessage | Self::Wire(_) | Self::Payload(_) => Advice::Ignore,
            Self::SenderNotFound(_) => Advice::TryLater,
            Self::SenderDistrusted(_) | Self::PublicDataInconsistency(_) => Advice::CheckIdentity,
            Self::NoSession(_) | Self::PreKeyGone(_) | Self::SignedPreKeyGone(_) => Advice::Flush,
            Self::TooManySkippedMessageKeys { .. } | Self::Session(_) => Advice::ReplaceSessions,
        }
    }
}

#[cfg(test)]
mod tests {
    use core::mem::discriminant;

    use super::*;
    use crate::keys::IdentityKeyPair;
    use crate::keys::testing::TestRng;

    /// How many variants there are. Does not compile with one more: it belongs into the table then.
    fn variants(failure: &DecryptFailure) -> usize {
        match failure {
            DecryptFailure::SeveralKeys(_)
            | DecryptFailure::OwnMessage
            | DecryptFailure::SenderNotFound(_)
            | DecryptFailure::SenderDistrusted(_)
            | DecryptFailure::NoSession(_)
            | DecryptFailure::PublicDataInconsistency(_)
            | DecryptFailure::PreKeyGone(_)
            | DecryptFailure::SignedPreKeyGone(_)
            | DecryptFailure::TooManySkippedMessageKeys { .. }
            | DecryptFailure::Session(_)
            | DecryptFailure::Wire(_)
            | DecryptFailure::Payload(_) => 12,
        }
    }

    #[test]
    fn each_failure_has_its_advice() {
        let rng = &mut TestRng::new(1);
        let [known, presented] = [(), ()].map(|()| *IdentityKeyPair::generate(rng).public());
        let (device, id) = (DeviceId::new(7), PreKeyId::new(7));
        let inconsistency = Inconsistency {
            device,
            known,
            presented,
        };
        let skipped = DecryptFailure::TooManySkippedMessageKeys {
            skipped: 1_001,
            limit: 1_000,
        };
        let table = [
            (DecryptFailure::SeveralKeys(2), Advice::Ignore),
            (DecryptFailure::OwnMessage, Advice::Ignore),
            (DecryptFailure::Wire(WireError::Malformed), Advice::Ignore),
            (DecryptFailure::Payload(PayloadError::NoTag), Advice::Ignore),
            (DecryptFailure::SenderDistrusted(known), Advice::CheckIdentity),
            (Box::new(inconsistency).into(), Advice::CheckIdentity),
            (DecryptFailure::SenderNotFound(device), Advice::TryLater),
            (DecryptFailure::NoSession(device), Advice::Flush),
            (DecryptFailure::PreKeyGone(id), Advice::Flush),
            (DecryptFailure::SignedPreKeyGone(id), Advice::Flush),
            (skipped, Advice::ReplaceSessions),
            (
                DecryptFailure::Session(DecryptError::InvalidMac),
                Advice::ReplaceSessions,
            ),
        ];
        let mut seen = alloc::vec::Vec::new();
        for (failure, advice) in &table {
            assert_eq!(failure.advice(), *advice, "{failure}");
            assert!(!seen.contains(&discriminant(failure)), "{failure}");
            seen.push(discriminant(failure));
            assert_eq!(variants(failure), table.len());
        }
    }
}
