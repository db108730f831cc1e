//! The runtime of this crate, see [`omemo_storage::runtime`].

use omemo_storage::runtime::{Runtime, Within};

static RUNTIME: Runtime = Runtime::new("omemo-storage-redis");

/// Polls and drops `future` within the runtime.
pub(crate) fn within<F>(future: F) -> Within<F> {
    RUNTIME.within(future)
}
