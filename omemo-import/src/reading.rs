//! What was read, and what of the source is not in it.

use omemo_sansio::transfer::ImportedAccount;
use omemo_sansio::{BareJid, DeviceId};

/// What was read of a source.
#[derive(Debug)]
pub struct Reading {
    /// The account that the source is of.
    pub jid: BareJid,
    /// What is to be taken over.
    pub account: ImportedAccount,
    /// What is not, and why.
    pub left_behind: Vec<LeftBehind>,
}

/// Something in the source that is not taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftBehind {
    /// A session that was never complete: nothing can have been written in it.
    IncompleteSession(BareJid, DeviceId),
    /// A protocol that is not known here.
    Protocol(String),
    /// The label of another device: it counts only with its signature, which the source does not have. The next device
    /// list brings both.
    Label(BareJid, DeviceId),
}

impl std::fmt::Display for LeftBehind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::IncompleteSession(jid, device) => {
                write!(
                    f,
                    "the session with device {device} of {jid}, which is incomplete"
                )
            }
            Self::Protocol(namespace) => write!(f, "the protocol {namespace}, which is not known"),
            Self::Label(jid, device) => write!(
                f,
                "the label of device {device} of {jid}, whose signature comes with its next device list"
            ),
        }
    }
}
