//! What an operation has read, once it needs it no more.

use core::fmt;

use super::stored::StoredView;

/// The records that an operation has read, to be wiped and freed by dropping them: see
/// [`Operation::take_leftovers`](super::Operation::take_leftovers).
#[derive(Default)]
pub struct Leftovers {
    _records: StoredView,
}

impl Leftovers {
    pub(super) fn new(records: StoredView) -> Self {
        Self { _records: records }
    }
}

impl fmt::Debug for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { _records } = self;
        f.write_str("Leftovers(..)")
    }
}
