//! The protocol bears faults and company on this storage.
#![allow(missing_docs, clippy::unwrap_used)]

use omemo_conformance::faults::{at_every_effect, devices_of, interleaved};
use omemo_conformance::storage::{Capabilities, Capability, Factory, OpenedBy};
use omemo_storage_memory::MemoryStorage;

fn factory() -> impl Factory {
    let storage = MemoryStorage::new();
    let capabilities = Capabilities::of([Capability::Shared, Capability::Fresh, Capability::Durable]);
    OpenedBy::new(capabilities, move || {
        let storage = storage.clone();
        async move { Ok(storage) }
    })
}

#[test]
fn every_effect_may_go_wrong() {
    let factory = factory();
    let devices = devices_of(&factory);
    let tried = at_every_effect(|run, device| devices.open(run, device));
    println!("{tried}");
    assert!(tried.effects > 700 && tried.commits > 200, "{tried}");
    assert_eq!(tried.faults, tried.possible);
}

#[test]
fn two_processes_of_one_device_may_take_turns() {
    let factory = factory();
    let devices = devices_of(&factory);
    let tried = interleaved(|run, device| devices.open(run, device));
    println!("{tried}");
    assert!(tried.conflicts > tried.schedules, "{tried}");
}
