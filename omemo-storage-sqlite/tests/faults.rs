//! The protocol bears a fault at each of its effects on this storage.
#![allow(missing_docs, clippy::unwrap_used)]

use omemo_conformance::faults;
use omemo_storage::blocking::wait;
use omemo_storage_sqlite::SqliteOptions;

#[test]
fn every_effect_may_go_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let tried = faults::at_every_effect(|run, device| {
        let name = format!("{run}-{}.sqlite", device.replace([' ', '\''], "-"));
        // It is the process that dies here, never the machine: nothing has to wait for the disk.
        let options = SqliteOptions::new(directory.path().join(name)).unwrap();
        wait(options.allow_volatile().connections(1).open()).unwrap()
    });
    println!("{tried:?}");
    assert!(tried.effects > 250 && tried.commits > 80, "{tried:?}");
}
