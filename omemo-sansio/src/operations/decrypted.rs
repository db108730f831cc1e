//! What goes into decrypting, and what comes out.

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use crate::keys::IdentityKey;
use crate::protocol::KeyMaterial;
use crate::trust::{Trust, TrustLevel};
use crate::{BareJid, DeviceId, EncryptedMessage, InboxId, Namespace};

/// A message that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingMessage {
    /// The account that sent it: the bare JID of `from`, in a group chat the participant's real one.
    pub sender: BareJid,
    /// The message.
    pub message: EncryptedMessage,
}

/// How a message was received. What went wrong otherwise is an [`Error`](crate::Error), whose
/// [`DecryptFailure`](crate::DecryptFailure) says what to do about it.
#[derive(Debug)]
#[must_use = "a message is decrypted once: this is all there will be of it"]
pub enum Decrypted {
    /// A message from a device whose identity key is trusted.
    Trusted(Received),
    /// A message from a device whose identity key nobody has decided about. A person who is shown it should be told so.
    Undecided(Received),
    /// The message was decrypted before. Nothing to show: servers deliver twice.
    ///
    /// A message ends so too that was never read and whose key was dropped, where it is of the current chain of its session or
    /// of the eight before it (of older ones it fails):
    ///
    /// * It was skipped, and newer keys than its have filled the session
    ///   ([`SkipLimits::per_session`](crate::ratchet::SkipLimits::per_session)).
    /// * Its chain was given up, since more of it than
    ///   [`SkipLimits::per_message`](crate::ratchet::SkipLimits::per_message) was missing when the next chain began.
    /// * It is the last of its chain, and its sender says of chains that they had one message less than they had, as libsignal
    ///   does. That shows as soon as a chain was received to its end before the next began, or such a message was read. Until
    ///   then the session keeps the key of one such message, that of the newest chain that has ended without it.
    AlreadyDecrypted,
    /// The message was encrypted, but not to this device.
    NotForUs,
}

impl Decrypted {
    /// What was received, whether its sender is trusted or not; `None` if the message was received before, or was not for
    /// this device.
    pub fn received(self) -> Option<Received> {
        match self {
            Self::Trusted(received) | Self::Undecided(received) => Some(received),
            Self::AlreadyDecrypted | Self::NotForUs => None,
        }
    }

    /// [`received`](Self::received), left where it is.
    pub fn as_received(&self) -> Option<&Received> {
        match self {
            Self::Trusted(received) | Self::Undecided(received) => Some(received),
            Self::AlreadyDecrypted | Self::NotForUs => None,
        }
    }
}

impl From<Received> for Decrypted {
    fn from(received: Received) -> Self {
        match received.sender.trust {
            Trust::Trusted => Self::Trusted(received),
            Trust::Undecided | Trust::Distrusted => Self::Undecided(received),
        }
    }
}

/// A message that was decrypted.
#[derive(Debug)]
pub struct Received {
    /// What it says.
    pub content: Content,
    /// Who said it.
    pub sender: Sender,
    /// The protocol.
    pub namespace: Namespace,
    /// What the session carried: the key of the content, or one that is transported for its own sake.
    pub key_material: KeyMaterial,
    /// Whether it opened a new session, be it the first with its sender or one in place of another.
    pub new_session: bool,
    /// Whether something was put in the outbox: flush it soon.
    pub flush_wanted: bool,
    /// What it is to be acknowledged by, if it is kept in the inbox until then.
    pub inbox: Option<InboxId>,
}

/// What a message says.
#[derive(PartialEq, Eq)]
pub enum Content {
    /// The plaintext. In OMEMO 2 an SCE envelope (XEP-0420), whose affixes must be checked.
    Plaintext(Zeroizing<Vec<u8>>),
    /// A key without a message, and not to be shown (XEP-0384 0.3.0, section 4.5): in legacy OMEMO whatever has no payload,
    /// so that most of these only move the session forward. The key is [`Received::key_material`], of 16 or 32 bytes; the
    /// initialisation vector that belongs to it is that of the message's [`Payload`](crate::Payload).
    KeyTransport,
    /// Nothing: the message only moved the session forward.
    Empty,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plaintext(plaintext) => write!(f, "Plaintext({} bytes)", plaintext.len()),
            Self::KeyTransport => f.write_str("KeyTransport"),
            Self::Empty => f.write_str("Empty"),
        }
    }
}

/// Who sent a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The account.
    pub jid: BareJid,
    /// The device.
    pub device: DeviceId,
    /// The identity key that authenticated the message.
    pub identity_key: IdentityKey,
    /// What the trust policy makes of that key; what is undecided should be shown so. [`Trust::Distrusted`] only in what
    /// waits in the inbox and was decrypted before the key was distrusted.
    pub trust: Trust,
    /// The level of the key, if it has one.
    pub level: Option<TrustLevel>,
}
