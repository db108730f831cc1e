//! What goes into decrypting, and what comes out.

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use crate::keys::IdentityKey;
use crate::trust::{Trust, TrustLevel};
use crate::{BareJid, DeviceId, EncryptedMessage, Namespace};

/// A message that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingMessage {
    /// The account that sent it: the bare JID of `from`, in a group chat the participant's real one.
    pub sender: BareJid,
    /// The message.
    pub message: EncryptedMessage,
}

/// A message that was decrypted.
#[derive(Debug)]
pub struct Decrypted {
    /// What it says.
    pub content: Content,
    /// Who said it.
    pub sender: Sender,
    /// The protocol.
    pub namespace: Namespace,
    /// Whether it opened a new session.
    pub new_session: bool,
    /// Whether something was put in the outbox: flush it soon.
    pub flush_wanted: bool,
}

/// What a message says.
#[derive(PartialEq, Eq)]
pub enum Content {
    /// The plaintext. In OMEMO 2 an SCE envelope (XEP-0420), whose affixes must be checked.
    Plaintext(Zeroizing<Vec<u8>>),
    /// Nothing: the message only moved the session forward.
    Empty,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plaintext(plaintext) => write!(f, "Plaintext({} bytes)", plaintext.len()),
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
    /// What the trust policy makes of that key. Never [`Trust::Distrusted`]; what is undecided should be shown so.
    pub trust: Trust,
    /// The level of the key, if it has one.
    pub level: Option<TrustLevel>,
}
