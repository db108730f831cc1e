//! The protocol bears faults and company on every storage, plain and sealed.

use omemo_conformance::faults::{at_part_of_effects, devices_of, interleaved};
use omemo_conformance::storage::{Capabilities, Capability, Factory, OpenedBy};

use crate::places::{Place, Server, Wrapping, say};

const WRAPPINGS: [Wrapping; 2] = [Wrapping::Plain, Wrapping::Sealed];

const ROWS: usize = Server::NAMES.len() * WRAPPINGS.len();

/// Each row tries one part of the faults, and together they try all. The own tests of memory, SQLite, PostgreSQL and Redis try
/// all of them there, on the plain storage; those of a Redis Cluster, and of a Redis that waits for its disk, one in twenty.
///
/// There are as many parts as rows, or fewer where `OMEMO_FAULT_PARTS` says so: with one, each row tries all.
fn parts() -> usize {
    let parts = std::env::var("OMEMO_FAULT_PARTS").map_or(ROWS, |parts| parts.parse().unwrap());
    assert!((1..=ROWS).contains(&parts), "there are {ROWS} rows");
    parts
}

fn factory(place: Place, wrapping: Wrapping) -> impl Factory {
    let capabilities = Capabilities::of([Capability::Shared, Capability::Fresh, Capability::Durable]);
    OpenedBy::new(capabilities, move || {
        let place = place.clone();
        // It is the process that dies here, never the server.
        async move { Ok(wrapping.wrap(place.open_volatile().await?)) }
    })
}

#[test]
fn every_storage_bears_faults() {
    let parts = parts();
    let mut faults = 0;
    let rows = Server::NAMES
        .into_iter()
        .flat_map(|name| WRAPPINGS.map(|wrapping| (name, wrapping)));
    let mut possible = 0;
    for (row, (name, wrapping)) in rows.enumerate() {
        let server = Server::ordinary(name);
        let factory = factory(server.place(), wrapping);
        let devices = devices_of(&factory);
        let tried = at_part_of_effects(row % parts, parts, |run, device| devices.open(run, device));
        let turns = interleaved(|run, device| devices.open(run, device));
        let wrapping = format!("{wrapping:?}").to_lowercase();
        say(&format!("{name:<15} {wrapping:<7} {tried}; {turns}"));
        assert!(tried.effects > 700 && tried.commits > 200, "{tried}");
        assert!(turns.conflicts > turns.schedules, "{turns}");
        assert!(tried.faults >= tried.possible / parts, "{tried}");
        // Where there are fewer parts than rows, the other rows try the same again.
        if row < parts {
            faults += tried.faults;
        }
        possible = tried.possible;
    }
    assert_eq!(faults, possible, "the parts are not the whole");
}
