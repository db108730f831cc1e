//! The protocol versions.
