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
    /// Whether one is open and not given up.
    pub(crate) fn any_open(&self, now: Timestamp) -> bool {
        self.runs.values().any(|expires| now < *expires)
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
