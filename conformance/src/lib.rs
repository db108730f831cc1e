//! Placeholder of the workspace layout.
pub mod storage;
