//! The barest calls that write rows as durably as a storage does.

mod postgres;
mod redis;
mod sqlite;

use omemo_storage::Key;

pub(crate) use postgres::PostgresUpsert;
pub(crate) use redis::RedisPipeline;
pub(crate) use sqlite::SqliteUpsert;

use super::sender::Row;
use crate::measure::Failure;

/// Whose rows they are.
const ACCOUNT: &str = "romeo@montague.lit";

/// How many rows are written at once before anything is timed.
const CHUNK: usize = 1_000;

/// Writes rows, and knows no more of them.
pub(crate) trait Bare {
    /// Puts a value under each key, in one call; how many nanoseconds that took. Arguments are bound on the clock.
    fn write(&mut self, keys: &[&Key], values: &[&[u8]], revision: &[u8; 16]) -> Result<f64, Failure>;

    /// Tidies up after all rows were written for the first time.
    fn settle(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// What a message is timed against: the same rows, again and again.
pub(crate) struct Floor {
    bare: Box<dyn Bare>,
    rows: Vec<Row>,
    /// SQLite does not write a row that stays the same, so each round writes other bytes.
    round: u32,
}

impl Floor {
    /// Writes `rows`, where there is all that ours has.
    pub(crate) fn new(bare: impl Bare + 'static, all: &[Row], rows: Vec<Row>) -> Result<Self, Failure> {
        let mut floor = Self {
            bare: Box::new(bare),
            rows,
            round: 0,
        };
        for chunk in all.chunks(CHUNK) {
            floor.write(chunk)?;
        }
        floor.bare.settle()?;
        Ok(floor)
    }

    pub(crate) fn measure(&mut self) -> Result<f64, Failure> {
        let rows = std::mem::take(&mut self.rows);
        let ns = self.write(&rows);
        self.rows = rows;
        ns
    }

    /// The values are made off the clock.
    fn write(&mut self, rows: &[Row]) -> Result<f64, Failure> {
        self.round += 1;
        let revision = u128::from(self.round).to_be_bytes();
        let value = |length: usize| self.round.to_be_bytes().into_iter().cycle().take(length);
        let values: Vec<Vec<u8>> = rows.iter().map(|(_, length)| value(*length).collect()).collect();
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let keys: Vec<&Key> = rows.iter().map(|(key, _)| key).collect();
        self.bare.write(&keys, &values, &revision)
    }
}
