//! `cold/<jid>/archive/<namespace>/<device>`: sessions that were replaced.

use alloc::vec::Vec;

use omemo_storage::Value;

use super::codec::{Reader, Writer};
use super::{RecordError, Stored};
use crate::Timestamp;
use crate::ratchet::{Session, SkippedKeys};

const VERSION: u8 = 1;

/// The most replaced sessions kept for a device.
const MAX_ARCHIVED: usize = 4;

/// How long a replaced session is kept: 30 days, in seconds.
const KEPT_FOR: u64 = 30 * 86_400;

/// The last few sessions of a device, newest first: both sides may have opened one at the same time, and what was sent
/// in the one that was replaced can still arrive.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    pub(crate) sessions: Vec<ArchivedSession>,
}

/// A session that was replaced by another.
#[derive(Debug)]
pub(crate) struct ArchivedSession {
    pub(crate) session: Session,
    pub(crate) skipped: SkippedKeys,
    pub(crate) expires: Timestamp,
}

impl Archive {
    /// Drops what was kept long enough. Done whenever the archive is looked at. Those that were replaced before the clock was
    /// set are kept from now on: how old they are, nobody knows.
    pub(crate) fn drop_expired(&mut self, now: Timestamp) {
        for archived in &mut self.sessions {
            if now.may_be_right() && !archived.expires.may_be_right() {
                archived.expires = now + KEPT_FOR;
            }
        }
        self.sessions.retain(|archived| now < archived.expires);
    }

    /// Adds a session that was just replaced; the oldest beyond the bound and those that have expired go.
    pub(crate) fn add(&mut self, session: Session, skipped: SkippedKeys, now: Timestamp) {
        self.drop_expired(now);
        self.sessions.insert(
            0,
            ArchivedSession {
                session,
                skipped,
                expires: now + KEPT_FOR,
            },
        );
        self.sessions.truncate(MAX_ARCHIVED);
    }
}

impl Stored for Archive {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes, VERSION)?;
        let mut sessions = Vec::new();
        for _ in 0..reader.length()? {
            let expires = reader.timestamp()?;
            let length = reader.length()?;
            let session = Session::decode(reader.take(length)?)?;
            let length = reader.length()?;
            let skipped = SkippedKeys::decode(reader.take(length)?)?;
            sessions.push(ArchivedSession {
                session,
                skipped,
                expires,
            });
        }
        reader.finish()?;
        Ok(Self { sessions })
    }

    fn encode(&self) -> Value {
        let Self { sessions } = self;
        let mut writer = Writer::new(VERSION, 64 + sessions.len() * 1024);
        writer.length(sessions.len());
        for ArchivedSession {
            session,
            skipped,
            expires,
        } in sessions
        {
            writer.timestamp(*expires);
            for part in [session.encode(), skipped.encode()] {
                writer.length(part.len());
                writer.bytes(&part);
            }
        }
        writer.finish().into()
    }
}

impl Stored for Session {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        Self::decode(bytes)
    }

    fn encode(&self) -> Value {
        self.encode().into()
    }
}

impl Stored for SkippedKeys {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        Self::decode(bytes)
    }

    fn encode(&self) -> Value {
        self.encode().into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::{self, NOW};
    use super::*;
    use crate::protocol::Omemo2;

    fn replaced_at(now: Timestamp) -> Archive {
        let (session, skipped) = golden::session(&Omemo2);
        let mut archive = Archive::default();
        archive.add(session, skipped, now);
        archive
    }

    #[test]
    fn sessions_are_kept_for_thirty_days() {
        let mut archive = replaced_at(NOW);
        archive.drop_expired(NOW + (KEPT_FOR - 1));
        assert_eq!(archive.sessions.len(), 1);
        archive.drop_expired(NOW + KEPT_FOR);
        assert!(archive.sessions.is_empty());
    }

    #[test]
    fn sessions_that_were_replaced_before_the_clock_was_set_are_kept_from_then_on() {
        let mut archive = replaced_at(Timestamp::from_unix(1_000));
        archive.drop_expired(Timestamp::from_unix(2_000));
        archive.drop_expired(NOW);
        assert_eq!(archive.sessions.len(), 1);
        archive.drop_expired(NOW + KEPT_FOR);
        assert!(archive.sessions.is_empty());
    }
}
