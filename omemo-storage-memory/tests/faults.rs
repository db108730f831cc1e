//! The protocol bears a fault at each of its effects on this storage.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::Mutex;

use omemo_conformance::faults;
use omemo_storage_memory::MemoryStorage;

#[test]
fn every_effect_may_go_wrong() {
    let storages: Mutex<HashMap<(usize, String), MemoryStorage>> = Mutex::default();
    let tried = faults::at_every_effect(|run, device| {
        storages
            .lock()
            .unwrap()
            .entry((run, device.to_owned()))
            .or_default()
            .clone()
    });
    println!("{tried:?}");
    assert!(tried.effects > 250 && tried.commits > 80, "{tried:?}");
}
