//! Which batches were sent before.

use alloc::collections::VecDeque;
use std::collections::HashSet;

use crate::CommitId;

/// How many ids are remembered.
const REMEMBERED: usize = 16_384;

/// The ids of the last batches that were sent.
#[derive(Default)]
pub(super) struct Sent {
    ids: HashSet<CommitId>,
    oldest_first: VecDeque<CommitId>,
}

impl Sent {
    /// Remembers an id; whether it is new.
    pub(super) fn insert(&mut self, id: CommitId) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.oldest_first.push_back(id);
        if self.oldest_first.len() > REMEMBERED
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}
