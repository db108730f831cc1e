//! What was counted for each device, and the table of it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use omemo::local::Seen;
use omemo_storage::Counts;

use super::cast::Role;
use crate::failure::Failure;
use crate::text::grouped;

/// What was counted for one device.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    /// Texts that were sent.
    pub(super) sent: u64,
    /// Texts that were read.
    pub(super) read: u64,
    /// Key exchanges that were sent.
    pub(super) key_exchanges: u64,
    storage: Counts,
}

const COLUMNS: [&str; 8] = [
    "sent",
    "read",
    "key exchanges",
    "loads",
    "commits",
    "conflicts",
    "records",
    "bytes",
];

impl Tally {
    pub(super) fn add_storage(&mut self, counts: Counts) {
        let Counts {
            loads,
            commits,
            conflicts,
            records_written,
            bytes_written,
        } = counts;
        self.storage.loads += loads;
        self.storage.commits += commits;
        self.storage.conflicts += conflicts;
        self.storage.records_written += records_written;
        self.storage.bytes_written += bytes_written;
    }

    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.read += other.read;
        self.key_exchanges += other.key_exchanges;
        self.add_storage(other.storage);
    }

    fn row(&self) -> [u64; COLUMNS.len()] {
        [
            self.sent,
            self.read,
            self.key_exchanges,
            self.storage.loads,
            self.storage.commits,
            self.storage.conflicts,
            self.storage.records_written,
            self.storage.bytes_written,
        ]
    }
}

/// What was counted, device by device.
#[derive(Default)]
pub(super) struct Ledger(BTreeMap<Role, Tally>);

impl Ledger {
    pub(super) fn of(&mut self, role: Role) -> &mut Tally {
        self.0.entry(role).or_default()
    }

    fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.0.values().for_each(|tally| total.add(tally));
        total
    }

    /// The devices and the server must have counted the same.
    pub(super) fn compare(&self, seen: &Seen) -> Result<(), Failure> {
        let total = self.total();
        let texts = seen.messages - seen.empty_messages;
        if (total.sent, total.key_exchanges) == (texts, seen.key_exchanges) {
            Ok(())
        } else {
            Err(Failure::new(format!(
                "the devices sent {} texts and {} key exchanges, the server saw {texts} and {}",
                total.sent, total.key_exchanges, seen.key_exchanges
            )))
        }
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "   {:<15}", "")?;
        for column in COLUMNS {
            write!(out, "  {column:>width$}", width = width(column))?;
        }
        writeln!(out)?;
        for (role, tally) in &self.0 {
            line(out, &role.to_string(), tally)?;
        }
        line(out, "in all", &self.total())
    }
}

fn line(out: &mut dyn Write, name: &str, tally: &Tally) -> io::Result<()> {
    write!(out, "   {name:<15}")?;
    for (column, number) in COLUMNS.iter().zip(tally.row()) {
        write!(out, "  {:>width$}", grouped(number), width = width(column))?;
    }
    writeln!(out)
}

/// How wide a column is: as its name, or a number of bytes.
fn width(column: &str) -> usize {
    column.len().max(7)
}
