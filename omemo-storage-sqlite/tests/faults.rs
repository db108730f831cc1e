//! The protocol bears a fault at each of its effects on this storage.
#![allow(missing_docs, clippy::unwrap_used)]

use omemo_conformance::faults;
use omemo_storage::blocking::wait;
use omemo_storage_sqlite::SqliteStorage;

#[test]
fn every_effect_may_go_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let tried = faults::at_every_effect(|run, device| {
        // One file for all devices of a telling, as several accounts in one file may be; opened anew after each crash.
        let name = format!("{run}-{}.sqlite", device.replace([' ', '\''], "-"));
        wait(SqliteStorage::open(directory.path().join(name))).unwrap()
    });
    println!("{tried:?}");
    assert!(tried.effects > 250 && tried.commits > 80, "{tried:?}");
}
