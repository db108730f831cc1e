//! What may be said of an error in a log: nothing of who is written to.

use core::fmt;

use super::{EncryptFailure, Error};

/// An error in words without the names of accounts that its own may have; see [`Error::without_names`].
#[derive(Clone, Copy, Debug)]
pub struct WithoutNames<'a>(&'a Error);

impl Error {
    /// The error in words that are fit for a log: without the names of accounts, and without what the application's own
    /// network says of a failure, as that may name them too.
    pub fn without_names(&self) -> WithoutNames<'_> {
        WithoutNames(self)
    }
}

impl fmt::Display for WithoutNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        match error {
            Error::Corrupt { source, .. } => write!(f, "a record cannot be read: {source}"),
            Error::OtherAccount(_) => f.write_str("the backup is that of another account"),
            Error::Network { what, .. } => write!(f, "{what} failed"),
            Error::Encrypt(EncryptFailure::TrustDecisionFailed(_)) => {
                f.write_str("nobody could be asked whom to trust")
            }
            // One by one, so that whoever adds one thinks of it.
            Error::Encrypt(
                EncryptFailure::StillUndecided(_)
                | EncryptFailure::NoEligibleDevices { .. }
                | EncryptFailure::NoRecipient
                | EncryptFailure::Session { .. }
                | EncryptFailure::Payload(_),
            )
            | Error::Storage(_)
            | Error::Contention { .. }
            | Error::Settings(_)
            | Error::NotOpened
            | Error::AlreadyThere
            | Error::AcceptingCopy
            | Error::OwnAccount
            | Error::InboxFull { .. }
            | Error::UnknownNamespace(_)
            | Error::UnknownTrustLevel(_)
            | Error::TooLarge { .. }
            | Error::Decrypt(_)
            | Error::Internal(_) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use std::string::ToString;

    use super::*;
    use crate::{BareJid, NetworkError, RecordError};

    #[test]
    fn names_of_accounts_are_left_out() {
        let jid = "juliet@capulet.lit";
        let refused = || NetworkError::new(format!("{jid} does not answer"));
        let errors = [
            Error::Corrupt {
                partition: format!("contact/{jid}"),
                item: format!("outbox/reply/urn:xmpp:omemo:2/{jid}/1"),
                source: RecordError::Truncated,
            },
            Error::OtherAccount(BareJid::new(jid).unwrap()),
            Error::Network {
                what: "downloading a device list",
                source: refused(),
            },
            EncryptFailure::TrustDecisionFailed(refused()).into(),
        ];
        for error in errors {
            assert!(error.to_string().contains(jid));
            assert!(!error.without_names().to_string().contains(jid));
        }
        assert_eq!(
            Error::NotOpened.without_names().to_string(),
            Error::NotOpened.to_string()
        );
    }
}
