//! The real client on real storages in bad weather. Processes and servers are killed, connections cut, disks filled,
//! primaries replaced, and everybody writes at once; meanwhile Romeo writes and reads, and Juliet reads and answers.
//!
//! Each storm ends in the same: nothing that was acknowledged is lost, no message key was used twice (Juliet decrypts
//! everything and looks at every ratchet key and number), and no message was lost to an unknown outcome. Each prints
//! lines of figures:
//!
//! ```text
//! cargo test -p omemo-conformance --test storms
//! ```
//!
//! `stage` has the two and what is checked, `hand` and `process` who writes and reads for Romeo, the others the storms.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

mod conflicts;
mod cut_connections;
mod failovers;
mod full_disks;
mod hand;
mod killed_processes;
mod killed_servers;
mod line;
#[path = "../places/mod.rs"]
mod places;
mod process;
mod stage;
mod watched;
mod work;

#[test]
#[ignore = "is run by another test, in a process of its own"]
fn part_that_is_killed() {
    process::work_until_killed();
}
