//! The recorded vectors come out again, byte by byte; and a recording that was changed does not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod vectors {
    mod changed;
    mod fixture;
    mod recorded;
    mod refused;
}
