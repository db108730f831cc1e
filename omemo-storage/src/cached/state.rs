//! All that is kept.

use alloc::collections::BTreeMap;
use core::time::Duration;
use std::hash::RandomState;
use std::time::Instant;

use lru::LruCache;

use crate::{AccountId, Key, Name, Query, Record, Snapshot};

use super::cell::{Cell, Place};
use super::sent::Sent;
use super::slots::Slots;

/// Partitions, those not used for longest first to go, and what is needed to know what may be entered.
pub(super) struct State {
    cells: LruCache<Place, Cell, RandomState>,
    bytes: usize,
    capacity: usize,
    max_age: Option<Duration>,
    pub(super) slots: Slots,
    pub(super) sent: Sent,
}

/// What a query finds.
pub(super) struct Found {
    pub(super) records: BTreeMap<Key, Record>,
    /// What has to be loaded.
    pub(super) missing: Query,
    /// Whether anything of the answer, a record or an absence, is known.
    pub(super) any: bool,
    /// When it was found.
    pub(super) stamp: u64,
}

impl State {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            cells: LruCache::unbounded_with_hasher(RandomState::new()),
            bytes: 0,
            capacity,
            max_age: None,
            slots: Slots::new(),
            sent: Sent::default(),
        }
    }

    pub(super) fn set_capacity(&mut self, bytes: usize) {
        self.capacity = bytes;
        self.make_room();
    }

    pub(super) fn set_max_age(&mut self, age: Duration) {
        self.max_age = Some(age);
        // Nobody knows how old it is.
        self.cells.clear();
        self.bytes = 0;
    }

    pub(super) fn find(&mut self, account: &AccountId, query: &Query) -> Found {
        let mut found = Found {
            records: BTreeMap::new(),
            missing: Query::new(),
            any: false,
            stamp: self.slots.stamp(account),
        };
        for partition in &query.partitions {
            match self.cell(account, partition).and_then(Cell::all) {
                Some(records) => {
                    let records = records.map(|(item, record)| (key(partition, item), record.clone()));
                    found.records.extend(records);
                    found.any = true;
                }
                None => {
                    found.missing.partitions.insert(partition.clone());
                }
            }
        }
        for key in &query.records {
            if query.partitions.contains(&key.partition) {
                continue;
            }
            match self
                .cell(account, &key.partition)
                .and_then(|cell| cell.get(&key.item))
            {
                Some(known) => {
                    let record = known.map(|record| (key.clone(), record.clone()));
                    found.records.extend(record);
                    found.any = true;
                }
                None => {
                    found.missing.records.insert(key.clone());
                }
            }
        }
        found
    }

    /// Keeps what was loaded, if nothing was written since a stamp; whether that is so.
    pub(super) fn take_in(
        &mut self,
        account: &AccountId,
        query: &Query,
        loaded: &Snapshot,
        since: u64,
    ) -> bool {
        if !self.slots.is_calm(account, since) {
            return false;
        }
        for partition in &query.partitions {
            let place = place(account, partition);
            let cell = Cell::new(&place, true, self.now());
            self.put_back(place, cell);
        }
        for key in &query.records {
            if !query.partitions.contains(&key.partition) {
                let record = loaded.records.get(key).cloned();
                self.set(account, key, record);
            }
        }
        for (key, record) in &loaded.records {
            if query.partitions.contains(&key.partition) {
                self.set(account, key, Some(record.clone()));
            }
        }
        self.make_room();
        true
    }

    /// Keeps what is known of one record.
    fn set(&mut self, account: &AccountId, key: &Key, record: Option<Record>) {
        let place = place(account, &key.partition);
        let before = self.cells.peek(&place).map_or(0, Cell::bytes);
        let now = self.now();
        let begin = || Cell::new(&place, false, now);
        let cell = self.cells.get_or_insert_mut_ref(&place, begin);
        cell.set(key.item.clone(), record);
        self.bytes = self.bytes + cell.bytes() - before;
    }

    /// Takes a partition out.
    pub(super) fn take_out(&mut self, account: &AccountId, partition: &Name) -> Option<(Place, Cell)> {
        let taken = self.cells.pop_entry(&place(account, partition))?;
        self.bytes -= taken.1.bytes();
        Some(taken)
    }

    /// Keeps a partition, in place of what was known of it.
    pub(super) fn put_back(&mut self, place: Place, cell: Cell) {
        self.bytes += cell.bytes();
        if let Some(former) = self.cells.put(place, cell) {
            self.bytes -= former.bytes();
        }
    }

    /// Forgets an account.
    pub(super) fn forget(&mut self, account: &AccountId) {
        let mut forgotten = 0;
        self.cells.retain(|place, cell| {
            let kept = place.account != *account;
            forgotten += if kept { 0 } else { cell.bytes() };
            kept
        });
        self.bytes -= forgotten;
    }

    /// Forgets what was not used for longest, until the rest fits.
    pub(super) fn make_room(&mut self) {
        while self.bytes > self.capacity
            && let Some((_, cell)) = self.cells.pop_lru()
        {
            self.bytes -= cell.bytes();
        }
    }

    /// What is known of a partition, unless it is too old. It was used now.
    fn cell(&mut self, account: &AccountId, partition: &Name) -> Option<&Cell> {
        let place = place(account, partition);
        if let Some(max_age) = self.max_age
            && let Some(cell) = self.cells.peek(&place)
            && cell.since().is_none_or(|since| since.elapsed() >= max_age)
        {
            self.take_out(account, partition);
        }
        self.cells.get(&place)
    }

    fn now(&self) -> Option<Instant> {
        self.max_age.map(|_| Instant::now())
    }
}

fn place(account: &AccountId, partition: &Name) -> Place {
    Place {
        account: account.clone(),
        partition: partition.clone(),
    }
}

fn key(partition: &Name, item: &Name) -> Key {
    Key {
        partition: partition.clone(),
        item: item.clone(),
    }
}
