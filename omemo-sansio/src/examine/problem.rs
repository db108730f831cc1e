//! What can be wrong, and what to do about it.

use core::fmt;

use crate::RecordError;

/// What is wrong with a stored record. Its `Display` says it in words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// It cannot be read.
    Unreadable(RecordError),
    /// No record has such a name.
    Unknown,
    /// There is no account, but there are records.
    NoAccount,
    /// An older copy was put back, and accepting it was interrupted.
    AcceptingCopy,
    /// There is no protocol with keys.
    NoProtocol,
    /// A protocol has a signed pre key, but no record of pre keys.
    NoPreKeys,
    /// There are pre keys of a protocol without a signed pre key.
    NoSignedPreKey,
    /// There are fewer pre keys than the least threshold; how many.
    FewPreKeys(usize),
    /// The signed pre key was made so many days ago, longer than any rotation period.
    OldSignedPreKey(u64),
    /// This device is not among those of its own account.
    NotAmongOwnDevices,
    /// The own account knows this device by another identity key than it has.
    OtherOwnKey,
    /// The index of the inbox counts so many messages, and there are so many.
    InboxMiscounted {
        /// What the index says.
        counted: u32,
        /// How many there are.
        there: u32,
    },
    /// There is no record of the contact, but there are records of its sessions.
    NoContact,
    /// The device of a session is not known.
    UnknownDevice,
    /// A session is with another identity key than its device is known by.
    OtherKey,
    /// A session counts so many skipped message keys, and so many are kept.
    SkippedKeysMiscounted {
        /// What the session says.
        counted: u32,
        /// How many are kept.
        kept: u32,
    },
    /// There are skipped message keys of a session that does not exist.
    SkippedKeysAlone,
}

impl Problem {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Unreadable(RecordError::Version(_)) => {
                "use a version that is at least as new as what wrote it"
            }
            Self::Unreadable(_) => {
                "stop the account's clients and look at disk and master key; what another program wrote, remove"
            }
            Self::Unknown => "find out what wrote it; this version does not look at it",
            Self::NoAccount => {
                "if a record is missing, the storage has lost data; else remove the account from the storage"
            }
            Self::AcceptingCopy => "run `omemo accept-copy`, or open it by `Builder::accept_copy`",
            Self::NoProtocol | Self::NoPreKeys => "open the account: what is missing is made and published",
            Self::NoSignedPreKey => "call `purge_protocol` and open the account again",
            Self::FewPreKeys(_) | Self::OldSignedPreKey(_) => {
                "call `maintain` from time to time: a client has not for long"
            }
            Self::NotAmongOwnDevices | Self::OtherOwnKey => "call `ensure_consistency`",
            Self::InboxMiscounted { .. } => "acknowledge all that is `pending`",
            Self::NoContact | Self::UnknownDevice => "call `refresh_device_list`, or `purge_contact`",
            Self::OtherKey | Self::SkippedKeysMiscounted { .. } | Self::SkippedKeysAlone => {
                "call `replace_sessions` for the device"
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Unknown => f.write_str("no record has such a name"),
            Self::NoAccount => f.write_str("the account's own record is missing"),
            Self::AcceptingCopy => f.write_str("an older copy was put back, and is not accepted to the end"),
            Self::NoProtocol => f.write_str("there are keys of no protocol"),
            Self::NoPreKeys => f.write_str("there is a signed pre key, but no pre keys"),
            Self::NoSignedPreKey => f.write_str("there are pre keys, but no signed pre key"),
            Self::FewPreKeys(count) => write!(f, "only {count} pre keys are left"),
            Self::OldSignedPreKey(days) => write!(f, "the signed pre key is {days} days old"),
            Self::NotAmongOwnDevices => f.write_str("this device is not among those of the own account"),
            Self::OtherOwnKey => f.write_str("this device is known by another identity key than it has"),
            Self::InboxMiscounted { counted, there } => {
                write!(f, "{counted} messages are counted, {there} are there")
            }
            Self::NoContact => f.write_str("there are sessions, but nothing is known of the contact"),
            Self::UnknownDevice => f.write_str("the device of the session is not known"),
            Self::OtherKey => {
                f.write_str("the session is with another identity key than the device is known by")
            }
            Self::SkippedKeysMiscounted { counted, kept } => {
                write!(f, "{counted} skipped message keys are counted, {kept} are kept")
            }
            Self::SkippedKeysAlone => f.write_str("there are skipped message keys without a session"),
        }
    }
}
