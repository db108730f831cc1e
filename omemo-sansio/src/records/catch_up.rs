//! `own/catchup`: the catch-ups that are open.

use alloc::collections::BTreeMap;

use omemo_storage::Value;

use super::codec::{Reader, Writer};
use super::{RecordError, Stored};
use crate::Timestamp;

const VERSION: u8 = 1;

/// Names one catch-up: 16 random bytes, since several processes may each run one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RunId(pub(crate) [u8; 16]);

/// The open catch-ups and when each is given up. One record, so that whether any is open is decided by a named record.
#[derive(Debug, Default)]
pub(crate) struct CatchUps {
    pub(crate) runs: BTreeMap<RunId, Timestamp>,
}

impl CatchUps {
    /// How long a catch-up stays open if nobody ends it: a day, in seconds.
    pub(crate) const GIVEN_UP_AFTER: u64 = 86_400;

    /// Whether one is open and not given up.
    pub(crate) fn any_open(&self, now: Timestamp) -> bool {
        self.runs.values().any(|expires| Self::is_open(*expires, now))
    }

    /// Removes those that are given up. Those that were begun before the clock was set have a day from now.
    pub(crate) fn drop_given_up(&mut self, now: Timestamp) {
        self.runs.retain(|_, expires| Self::is_open(*expires, now));
        for expires in self.runs.values_mut().filter(|expires| **expires <= now) {
            *expires = now + Self::GIVEN_UP_AFTER;
        }
    }

    /// One that ends more than two days from now was begun by a clock that was ahead by more than a day. One that ends
    /// before any clock is right was begun before the clock was set: how old it is, nobody knows.
    fn is_open(expires: Timestamp, now: Timestamp) -> bool {
        let is_of_unknown_age = now.may_be_right() && !expires.may_be_right();
        is_of_unknown_age || now < expires && !expires.is_ahead(now, 2 * Self::GIVEN_UP_AFTER)
    }
}

impl Stored for CatchUps {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes, VERSION)?;
        let mut runs = BTreeMap::new();
        for _ in 0..reader.length()? {
            runs.insert(RunId(reader.array()?), reader.timestamp()?);
        }
        reader.finish()?;
        Ok(Self { runs })
    }

    fn encode(&self) -> Value {
        let Self { runs } = self;
        let mut writer = Writer::new(VERSION, 5 + runs.len() * 24);
        writer.length(runs.len());
        for (run, expires) in runs {
            writer.bytes(&run.0);
            writer.timestamp(*expires);
        }
        writer.finish().into()
    }
}
