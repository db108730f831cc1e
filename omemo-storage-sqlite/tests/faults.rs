//! The protocol bears faults and company on this storage.
#![allow(missing_docs, clippy::unwrap_used)]

use omemo_conformance::faults::{at_every_effect, devices_of, interleaved};
use omemo_conformance::storage::{Capabilities, Capability, Factory, OpenedBy};
use omemo_storage_sqlite::SqliteOptions;
use tempfile::TempDir;

fn factory(directory: &TempDir) -> impl Factory {
    let file = directory.path().join("omemo.db");
    let capabilities = Capabilities::of([Capability::Shared, Capability::Fresh, Capability::Durable]);
    OpenedBy::new(capabilities, move || {
        let file = file.clone();
        // It is the process that dies here, never the machine: nothing has to wait for the disk.
        async move { SqliteOptions::new(file)?.allow_volatile().open().await }
    })
}

#[test]
fn every_effect_may_go_wrong() {
    let directory = TempDir::new().unwrap();
    let factory = factory(&directory);
    let devices = devices_of(&factory);
    let tried = at_every_effect(|run, device| devices.open(run, device));
    println!("{tried}");
    assert!(tried.effects > 700 && tried.commits > 200, "{tried}");
    assert_eq!(tried.faults, tried.possible);
}

#[test]
fn two_processes_of_one_device_may_take_turns() {
    let directory = TempDir::new().unwrap();
    let factory = factory(&directory);
    let devices = devices_of(&factory);
    let tried = interleaved(|run, device| devices.open(run, device));
    println!("{tried}");
    assert!(tried.conflicts > tried.schedules, "{tried}");
}
