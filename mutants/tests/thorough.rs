//! Lives, in a program of their own: it runs only if the quick tests have noticed nothing.
#![allow(clippy::panic, reason = "test support: an assertion is the result")]

use omemo_conformance::life::{explore, in_memory};

/// So many lives, always the same.
const LIVES: u32 = 60;

#[test]
fn lives() {
    if let Err(discovery) = explore(LIVES, 1, |_| in_memory()) {
        panic!("{discovery}");
    }
}
