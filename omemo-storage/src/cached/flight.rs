//! A commit or a purge under way, and what becomes of what is known when it ends.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{AccountId, Batch, Name, Record, Write};

use super::cell::{Cell, Place};
use super::state::State;

/// Something that writes, from before it is sent until its end is known. Dropped without that, it has failed.
///
/// While it lasts, the partitions it writes are taken out, and nothing of the account is entered: whoever reads them gets
/// them from the storage inside, as they were before or as they are after.
pub(super) struct Flight<'a> {
    state: &'a Mutex<State>,
    account: &'a AccountId,
    what: What<'a>,
    began: u64,
}

enum What<'a> {
    Batch {
        batch: &'a Batch,
        taken: Taken,
        /// It was sent before, and may have been applied then.
        again: bool,
        applied: bool,
    },
    Account,
}

/// Partitions that were taken out.
type Taken = BTreeMap<Name, (Place, Cell)>;

impl<'a> Flight<'a> {
    pub(super) fn of_batch(state: &'a Mutex<State>, account: &'a AccountId, batch: &'a Batch) -> Self {
        let mut locked = lock(state);
        let written = batch.stakes().filter(|(_, stake)| stake.write != Write::Keep);
        let mut taken = Taken::new();
        for partition in partitions(written.map(|(key, _)| &key.partition)) {
            let out = locked.take_out(account, partition);
            taken.extend(out.map(|out| (partition.clone(), out)));
        }
        let what = What::Batch {
            batch,
            taken,
            again: !locked.sent.insert(batch.id()),
            applied: false,
        };
        let began = locked.slots.begin(account);
        Self {
            state,
            account,
            what,
            began,
        }
    }

    pub(super) fn of_account(state: &'a Mutex<State>, account: &'a AccountId) -> Self {
        let mut locked = lock(state);
        locked.forget(account);
        let began = locked.slots.begin(account);
        Self {
            state,
            account,
            what: What::Account,
            began,
        }
    }

    /// The batch was applied, by this call or an earlier one.
    pub(super) fn applied(mut self) {
        if let What::Batch { applied, .. } = &mut self.what {
            *applied = true;
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut state = lock(self.state);
        let alone = state.slots.end(self.account, self.began);
        match &mut self.what {
            What::Account => state.forget(self.account),
            What::Batch {
                batch,
                taken,
                again: false,
                applied: true,
            } if alone => {
                enter(batch, taken);
                for (place, cell) in core::mem::take(taken).into_values() {
                    state.put_back(place, cell);
                }
                state.make_room();
            }
            What::Batch { batch, .. } => {
                for partition in partitions(batch.stakes().map(|(key, _)| &key.partition)) {
                    state.take_out(self.account, partition);
                }
            }
        }
    }
}

/// Enters what a batch has written where the record was known to be what the batch relied on. A record of which nothing
/// was known stays unknown, and a partition with another revision goes: the batch may have been sent by somebody else
/// before, and been applied then. If it cannot be told from one that was, all that it writes goes.
fn enter(batch: &Batch, taken: &mut Taken) {
    if !is_new(batch, taken) {
        return taken.clear();
    }
    for (key, stake) in batch.stakes() {
        let record = match &stake.write {
            Write::Keep => continue,
            Write::Delete => None,
            Write::Put(value) => Some(Record {
                revision: batch.id().into(),
                value: value.clone(),
            }),
        };
        let Some((_, cell)) = taken.get_mut(&key.partition) else {
            continue;
        };
        let known = cell.get(&key.item);
        match known.map(|known| known.map(|record| record.revision)) {
            None => {}
            Some(revision) if revision == stake.expected => cell.set(key.item.clone(), record),
            Some(_) => {
                taken.remove(&key.partition);
            }
        }
    }
}

/// Whether it was this call that applied a batch. A revision is never there again once it was replaced, so a record that
/// was known to have the one that the batch replaces shows it. An absence shows nothing: what was created by the same
/// batch earlier may have been deleted since.
fn is_new(batch: &Batch, taken: &Taken) -> bool {
    batch.stakes().any(|(key, stake)| {
        let known = taken
            .get(&key.partition)
            .and_then(|(_, cell)| cell.get(&key.item));
        let revision = known.flatten().map(|record| record.revision);
        stake.write != Write::Keep && revision.is_some() && revision == stake.expected
    })
}

/// Each of them once; they come in order.
fn partitions<'a>(names: impl Iterator<Item = &'a Name>) -> Vec<&'a Name> {
    let mut partitions: Vec<&Name> = names.collect();
    partitions.dedup();
    partitions
}

/// Nothing panics half-way through a change, so a poisoned lock protects sound data.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
