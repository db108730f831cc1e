//! Whether an envelope belongs to the stanza it came in.

use omemo_sansio::{BareJid, Timestamp};

use super::Envelope;

/// What the stanza around an envelope says, and the session that decrypted it.
#[derive(Clone, Copy, Debug)]
pub struct Expectations<'a> {
    /// The account whose device encrypted the message. In a group chat that is the real JID, not the one in the room.
    pub sender: &'a BareJid,
    /// Where the stanza went.
    pub destination: Destination<'a>,
    /// When it was sent; without it the time is not compared.
    pub sent: Option<SentTime>,
}

/// Where a stanza went.
#[derive(Clone, Copy, Debug)]
pub enum Destination<'a> {
    /// To one account: the bare form of the stanza's `to`, which in copies of what other devices of one's own sent is
    /// the contact. A private message through a room goes to an account too.
    Account(&'a BareJid),
    /// To everyone in a room: a stanza of type `groupchat`.
    Room(&'a BareJid),
}

/// When a stanza was sent, and how far off that may be.
#[derive(Clone, Copy, Debug)]
pub struct SentTime {
    /// The time of its delay element (XEP-0203) or archive entry, or else now.
    pub at: Timestamp,
    /// The difference in seconds, either way, that still counts as the same time.
    pub tolerance: u64,
}

/// What does not fit. `PaddingMissing` and `SenderMissing` say that the sender's software leaves out what the profile
/// of OMEMO asks for; nothing is spoofed, and a caller may ignore them. The others must be shown or the stanza rejected
/// (XEP-0420, section 4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// There is no `<rpad/>`, which OMEMO demands (XEP-0384, section 5.5.1): the length gave the content away.
    #[error("the envelope has no padding")]
    PaddingMissing,
    /// There is no `<from/>`, which OMEMO recommends. The session has authenticated the sender all the same.
    #[error("the envelope does not say who wrote it")]
    SenderMissing,
    /// `<from/>` names another account than the sender's.
    #[error("the envelope says that someone else wrote it")]
    Sender {
        /// The JID it names.
        claimed: String,
    },
    /// There is no `<to/>` in a group chat, where OMEMO demands it: a server may have turned a private message into one
    /// to the room.
    #[error("the envelope of a message to a room does not say so")]
    RecipientMissing,
    /// `<to/>` names another destination: a server may have redirected the message.
    #[error("the envelope says that it was sent elsewhere")]
    Recipient {
        /// The JID it names.
        claimed: String,
    },
    /// `<time/>` is too far from the time of the stanza: a clock is wrong, or an old message is sent again.
    #[error("the envelope was written at another time than it was sent")]
    Time {
        /// When it says that it was written.
        claimed: Timestamp,
        /// When the stanza was sent.
        sent: Timestamp,
    },
}

impl Mismatch {
    /// Whether nothing is spoofed: the sender only left out what it should have written.
    pub fn is_omission(&self) -> bool {
        matches!(self, Self::PaddingMissing | Self::SenderMissing)
    }
}

impl Envelope {
    /// Compares the affixes with what is expected; empty if all fits. JIDs are compared byte by byte. Where a room is the
    /// destination, `<to/>` has to be its bare JID, so that what was sent to one occupant does not pass for it;
    /// elsewhere a resource is ignored.
    pub fn check(&self, expected: &Expectations<'_>) -> Vec<Mismatch> {
        let padding = (!self.padded).then_some(Mismatch::PaddingMissing);
        let time = self
            .time
            .zip(expected.sent)
            .filter(|(claimed, sent)| claimed.unix().abs_diff(sent.at.unix()) > sent.tolerance)
            .map(|(claimed, sent)| Mismatch::Time {
                claimed,
                sent: sent.at,
            });
        [
            padding,
            self.check_sender(expected.sender),
            self.check_recipient(expected.destination),
            time,
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn check_sender(&self, sender: &BareJid) -> Option<Mismatch> {
        match &self.from {
            None => Some(Mismatch::SenderMissing),
            Some(claimed) if bare(claimed) == sender.as_str() => None,
            Some(claimed) => Some(Mismatch::Sender {
                claimed: claimed.clone(),
            }),
        }
    }

    fn check_recipient(&self, destination: Destination<'_>) -> Option<Mismatch> {
        let fits = match (&self.to, destination) {
            (None, Destination::Account(_)) => return None,
            (None, Destination::Room(_)) => return Some(Mismatch::RecipientMissing),
            (Some(claimed), Destination::Account(jid)) => bare(claimed) == jid.as_str(),
            (Some(claimed), Destination::Room(jid)) => claimed == jid.as_str(),
        };
        let claimed = self.to.clone().filter(|_| !fits)?;
        Some(Mismatch::Recipient { claimed })
    }
}

/// A JID without its resource.
fn bare(jid: &str) -> &str {
    jid.split_once('/').map_or(jid, |(bare, _)| bare)
}
