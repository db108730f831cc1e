//! What is known of one partition.

use alloc::collections::BTreeMap;
use std::time::Instant;

use crate::{AccountId, Name, Record};

/// What an entry needs beside its names and its value, roughly.
const AROUND: usize = 160;

/// A partition of an account.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) account: AccountId,
    pub(super) partition: Name,
}

/// The items of a partition that are known: there, or known to be absent.
pub(super) struct Cell {
    items: BTreeMap<Name, Option<Record>>,
    /// Whether what is not among the items is absent.
    whole: bool,
    /// Since when the oldest of it is known, if anybody wants to know.
    since: Option<Instant>,
    bytes: usize,
}

impl Cell {
    pub(super) fn new(place: &Place, whole: bool, since: Option<Instant>) -> Self {
        Self {
            items: BTreeMap::new(),
            whole,
            since,
            bytes: AROUND + place.partition.as_str().len() + place.account.as_str().len(),
        }
    }

    /// How much memory it takes, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    pub(super) fn set(&mut self, item: Name, record: Option<Record>) {
        self.bytes += bytes(&item, record.as_ref());
        if let Some(former) = self.items.insert(item.clone(), record) {
            self.bytes -= bytes(&item, former.as_ref());
        }
    }

    /// What is known of an item: `None` is nothing, `Some(None)` that it is absent.
    pub(super) fn get(&self, item: &Name) -> Option<Option<&Record>> {
        match self.items.get(item) {
            Some(known) => Some(known.as_ref()),
            None => self.whole.then_some(None),
        }
    }

    /// Every record of the partition, if all are known.
    pub(super) fn all(&self) -> Option<impl Iterator<Item = (&Name, &Record)>> {
        let records = self.items.iter();
        let there = records.filter_map(|(item, known)| Some((item, known.as_ref()?)));
        self.whole.then_some(there)
    }
}

fn bytes(item: &Name, record: Option<&Record>) -> usize {
    AROUND + item.as_str().len() + record.map_or(0, |record| record.value.len())
}
