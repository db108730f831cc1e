//! Whether anything was written to an account since one looked.

use alloc::boxed::Box;
use alloc::vec;
use core::hash::BuildHasher;
use std::hash::RandomState;

use crate::AccountId;

/// How many slots the accounts share. Two of one slot only keep each other from entering something now and then.
const SLOTS: usize = 1_024;

/// The state of the accounts of one slot. Each time a commit begins or ends, the stamp becomes one that never was.
#[derive(Clone, Copy, Default)]
struct Slot {
    stamp: u64,
    /// How many commits are under way.
    busy: usize,
}

/// The slots of all accounts, in bounded memory.
pub(super) struct Slots {
    slots: Box<[Slot]>,
    hasher: RandomState,
    last: u64,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![Slot::default(); SLOTS].into_boxed_slice(),
            hasher: RandomState::new(),
            last: 0,
        }
    }

    pub(super) fn stamp(&self, account: &AccountId) -> u64 {
        self.slots.get(self.index(account)).map_or(0, |slot| slot.stamp)
    }

    /// Whether nothing was or is being written since that stamp.
    pub(super) fn is_calm(&self, account: &AccountId, since: u64) -> bool {
        let slot = self.slots.get(self.index(account));
        slot.is_some_and(|slot| slot.busy == 0 && slot.stamp == since)
    }

    /// A commit begins; returns the stamp it begins at.
    pub(super) fn begin(&mut self, account: &AccountId) -> u64 {
        self.change(account, |slot| slot.busy += 1)
    }

    /// A commit ends that began at a stamp; whether none other began or ended meanwhile.
    pub(super) fn end(&mut self, account: &AccountId, began: u64) -> bool {
        let alone = self.stamp(account) == began;
        self.change(account, |slot| slot.busy -= 1);
        alone
    }

    fn change(&mut self, account: &AccountId, change: impl FnOnce(&mut Slot)) -> u64 {
        self.last += 1;
        let index = self.index(account);
        if let Some(slot) = self.slots.get_mut(index) {
            change(slot);
            slot.stamp = self.last;
        }
        self.last
    }

    fn index(&self, account: &AccountId) -> usize {
        // The remainder is below 1,024.
        (self.hasher.hash_one(account) % SLOTS as u64) as usize
    }
}
