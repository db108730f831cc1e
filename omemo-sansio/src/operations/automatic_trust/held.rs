//! What keys say before they are authenticated: it is kept until then, within bounds.

use super::outcome::Ignored;
use crate::Timestamp;
use crate::keys::PublicKey;
use crate::records::{Held, Statement, TrustHistory, Verdict};

/// The most statements kept of the keys of one account, and of one of its keys.
const MAX_HELD: usize = 1000;
const MAX_HELD_OF_KEY: usize = 200;

/// The most bytes that the names of the accounts they are about may have: with everything else there is, far less than a
/// record may have. Nobody whose key is not authenticated must be able to fill it.
const MAX_BYTES: usize = 256 << 10;
const MAX_BYTES_OF_KEY: usize = 64 << 10;

impl TrustHistory {
    /// Keeps a statement until its sender's key is authenticated; why it is not kept, if so. Of two about one key the later
    /// is kept, and distrust rather than trust that a clock far ahead has stamped.
    pub(super) fn hold(
        &mut self,
        sender: PublicKey,
        statement: Statement,
        now: Timestamp,
    ) -> Option<Ignored> {
        let same = |held: &Held| {
            held.sender == sender
                && held.statement.owner == statement.owner
                && held.statement.key == statement.key
        };
        let rank = |statement: &Statement| (statement.at, statement.verdict);
        if let Some(known) = self.held.iter_mut().find(|held| same(held)) {
            let from_the_future = known.statement.at.is_ahead(now, Timestamp::APART);
            if rank(&statement) > rank(&known.statement)
                || statement.verdict == Verdict::Distrust && from_the_future
            {
                known.statement = statement;
            }
            return None;
        }
        let of_key = || self.held.iter().filter(|held| held.sender == sender);
        let length = statement.owner.as_str().len();
        let has_room = of_key().count() < MAX_HELD_OF_KEY
            && self.held.len() < MAX_HELD
            && bytes(of_key()).saturating_add(length) <= MAX_BYTES_OF_KEY
            && bytes(self.held.iter()).saturating_add(length) <= MAX_BYTES;
        if !has_room {
            return Some(Ignored::TooMany);
        }
        self.held.push(Held { sender, statement });
        None
    }
}

/// How many bytes the names of the accounts have that statements are about.
fn bytes<'a>(held: impl Iterator<Item = &'a Held>) -> usize {
    held.map(|held| held.statement.owner.as_str().len()).sum()
}
