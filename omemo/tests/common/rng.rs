//! Randomness of the clients of a test.
#![allow(
    unreachable_pub,
    reason = "some tests have it within a module, others at their root"
)]

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::{env, process, thread};

use omemo::BareJid;
use omemo_conformance::faults::TestRng;

/// Randomness that is the same in each run of a test, and another for each client of it. With real randomness, one test in a
/// hundred would see two strangers take the same pre key of a bundle, of which the second is refused.
pub fn rng(jid: &BareJid, name: &str) -> TestRng {
    thread_local!(static CLIENTS: Cell<u64> = const { Cell::new(0) });
    let number = CLIENTS.replace(CLIENTS.get() + 1);
    let mut hasher = DefaultHasher::new();
    let current = thread::current();
    // The threads that a test begins have no name of their own.
    match current.name() {
        Some(test) => (jid.as_str(), name, number, name_of(test)).hash(&mut hasher),
        None => (jid.as_str(), name, number, current.id()).hash(&mut hasher),
    }
    // The processes that it begins have the same, and several may serve one account.
    if env::var_os("OMEMO_TEST_SENDER").is_some() {
        process::id().hash(&mut hasher);
    }
    TestRng::new(hasher.finish())
}

/// The name of a test, which is another where the tests of several programs are in one.
fn name_of(test: &str) -> &str {
    match env!("CARGO_CRATE_NAME") {
        "quick" | "thorough" => test.split_once("::").map_or(test, |(_, name)| name),
        _ => test,
    }
}
