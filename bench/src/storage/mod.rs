//! Messages and commits that are on the disk before they are answered.

mod bare;
mod embedded;
mod environment;
mod message;
mod page;
mod postgres;
mod python;
mod race;
mod redis;
mod sealed;
mod sender;
mod watched;

use crate::measure::{Failure, Item};

/// Items that are prepared together.
pub(crate) struct Group {
    pub(crate) names: &'static [&'static str],
    prepare: fn(&Wanted<'_>) -> Result<Prepared, Failure>,
}

/// All of them, in the order that they are measured.
pub(crate) const GROUPS: [Group; 9] = [
    embedded::SENDS,
    embedded::COMMITS_ALONE,
    page::PAGE,
    postgres::GROUP,
    redis::GROUP,
    sealed::SQLITE,
    sealed::POSTGRES,
    sealed::REDIS,
    embedded::CACHED,
];

/// What was asked for.
pub(crate) struct Wanted<'a> {
    pub(crate) item: &'a dyn Fn(&str) -> bool,
    /// Whether the peer in Python shall run.
    pub(crate) python: bool,
}

/// Items, ready to be measured, and what could not be made ready: its name, and why.
#[derive(Default)]
pub(crate) struct Prepared {
    pub(crate) items: Vec<Item>,
    pub(crate) lacking: Vec<(&'static str, String)>,
}

impl Prepared {
    /// With nothing lacking.
    fn of(items: impl IntoIterator<Item = Item>) -> Self {
        Self {
            items: items.into_iter().collect(),
            lacking: Vec::new(),
        }
    }
}

impl Group {
    /// The items that are wanted, prepared off the clock. Where a server is lacking, so is each of its items.
    pub(crate) fn prepare(&self, wanted: &Wanted<'_>) -> Prepared {
        let names = self.names.iter().copied().filter(|name| (wanted.item)(name));
        let names: Vec<_> = names.collect();
        if names.is_empty() {
            return Prepared::default();
        }
        (self.prepare)(wanted).unwrap_or_else(|failure| Prepared {
            items: Vec::new(),
            lacking: names
                .into_iter()
                .map(|name| (name, failure.to_string()))
                .collect(),
        })
    }
}

/// The names of all items.
pub(crate) fn names() -> Vec<&'static str> {
    GROUPS.iter().flat_map(|group| group.names).copied().collect()
}

/// How many records are committed at once, and the most that it may take as a multiple of the floor: the more records, the
/// more the guards count beside the wait for the disk.
const COMMITS: [(usize, f64); 4] = [(1, 1.3), (10, 1.3), (100, 1.65), (1_000, 1.8)];

/// To many devices, the ratchets and the loaded rows count too.
const BAR_MANY: f64 = 2.5;

/// The same on a server, where the load is a round trip as the commit is.
const BAR_SERVER: f64 = 3.0;

/// How many devices a message to many goes to.
const MANY: usize = 100;
