//! What is said of an error in a log: nothing of who is written to.

use std::fmt;

use omemo_sansio::Error;

/// An error without the names of accounts that its own text has.
pub(crate) struct Logged<'a>(pub(crate) &'a Error);

impl fmt::Display for Logged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Error::Corrupt { source, .. } => write!(f, "a record cannot be read: {source}"),
            Error::OtherAccount(_) => f.write_str("the backup is that of another account"),
            nameless => nameless.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use omemo_sansio::{BareJid, RecordError};

    use super::*;

    #[test]
    fn names_of_accounts_are_left_out() {
        let jid = "juliet@capulet.lit";
        let corrupt = Error::Corrupt {
            partition: format!("contact/{jid}"),
            item: format!("outbox/reply/urn:xmpp:omemo:2/{jid}/1"),
            source: RecordError::Truncated,
        };
        let other = Error::OtherAccount(BareJid::new(jid).unwrap());
        for error in [corrupt, other] {
            assert!(error.to_string().contains(jid));
            assert!(!Logged(&error).to_string().contains(jid));
        }
        assert_eq!(
            Logged(&Error::NotOpened).to_string(),
            Error::NotOpened.to_string()
        );
    }
}
