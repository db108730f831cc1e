//! What becomes of a pre key once a key exchange has used it.

use core::fmt::Debug;

use crate::BareJid;

/// What becomes of a used pre key. It is offered to nobody any more in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedPreKey {
    /// It is deleted at once: whoever used it too, from the same bundle, cannot be read.
    Delete,
    /// It is kept until no catch-up is open any more, for others that have used it too.
    Hide,
    /// It is kept for good, at most 1,000 of them: whoever stores messages can still be read after years, and so can
    /// whoever steals the storage. The oldest goes first.
    Keep,
}

/// Decides what becomes of used pre keys: pure and synchronous.
pub trait PreKeyPolicy: Debug + Send + Sync {
    /// Decides about a pre key that a device of `jid` has used; `catching_up`: while a catch-up is open.
    fn used(&self, jid: &BareJid, catching_up: bool) -> UsedPreKey;
}

/// Used pre keys are deleted, except that they are hidden while a catch-up is open (XEP-0384, section 6).
#[derive(Clone, Copy, Debug, Default)]
pub struct HideDuringCatchUp;

impl PreKeyPolicy for HideDuringCatchUp {
    fn used(&self, _: &BareJid, catching_up: bool) -> UsedPreKey {
        if catching_up {
            UsedPreKey::Hide
        } else {
            UsedPreKey::Delete
        }
    }
}
