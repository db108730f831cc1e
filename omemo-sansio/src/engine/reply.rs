//! The tokens that effects are answered by.

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;

use super::effect::Outcome;

/// What an effect asks for. It fixes the type of the outcome, so that answering one effect with the outcome of another
/// does not compile:
///
/// ```compile_fail
/// use omemo_sansio::engine::{Operation, Reply, SendMessage};
/// use omemo_storage::Snapshot;
///
/// fn answer(operation: &mut Operation<()>, reply: Reply<SendMessage>) {
///     operation.fulfil(reply, Ok(Snapshot::default()));
/// }
/// ```
///
/// Sealed: the effects of this crate are all there are.
pub trait Request: Sealed {
    /// How it ends.
    type Outcome;

    #[doc(hidden)]
    fn wrap(outcome: Self::Outcome) -> Outcome;
}

#[allow(unreachable_pub, reason = "seals a public trait")]
pub trait Sealed {}

/// Answers one effect, once. Typed by the request, bound to the operation that issued it.
#[must_use = "the operation waits for this to be answered"]
pub struct Reply<R> {
    owner: Arc<()>,
    slot: u64,
    request: PhantomData<fn(R)>,
}

impl<R> Reply<R> {
    pub(super) fn new(owner: &Arc<()>, slot: u64) -> Self {
        Self {
            owner: Arc::clone(owner),
            slot,
            request: PhantomData,
        }
    }

    /// The slot it answers, if it belongs to `owner`.
    pub(super) fn slot(&self, owner: &Arc<()>) -> Result<u64, ForeignReply> {
        if Arc::ptr_eq(&self.owner, owner) {
            Ok(self.slot)
        } else {
            Err(ForeignReply)
        }
    }
}

impl<R> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({})", self.slot)
    }
}

/// The token belongs to another operation, or its effect was answered before (by a token issued for it earlier).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reply answers no effect that this operation waits for")]
pub struct ForeignReply;
