//! Recorded vectors come out again, byte by byte, and those that were changed do not.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod vectors {
    mod changed;
    mod fixture;
    mod kinds;
    mod recorded;
    mod refused;
}
