//! Why the function of an operation ended before its end.

use crate::Error;

/// Why the function ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The view lacks something; it knows what. Nothing is written.
    Need,
    /// Commit what was written so far, then run again from the start.
    Checkpoint,
    /// The operation fails; nothing is written.
    Fail(Error),
    /// The operation fails, and what was written until now is committed with that.
    FailKeeping(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Fail(error.into())
    }
}
