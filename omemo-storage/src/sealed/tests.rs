//! What the wrapper alone can show.
