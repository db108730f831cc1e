//! The protocol bears faults and company on this storage.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::cluster::Cluster;
use common::server::Server;
use omemo_conformance::faults::{at_every_effect, at_part_of_effects, devices_of, interleaved};
use omemo_conformance::storage::{Capabilities, Capability, Factory, OpenedBy};
use omemo_storage_redis::RedisOptions;

fn factory(url: String) -> impl Factory {
    let capabilities = Capabilities::of([Capability::Shared, Capability::Fresh, Capability::Durable]);
    OpenedBy::new(capabilities, move || {
        let options = RedisOptions::new(&url);
        // It is the process that dies here, never the server.
        async move { options?.allow_volatile().open().await }
    })
}

/// On a server that has not to wait for its disk.
#[test]
fn every_effect_may_go_wrong() {
    let server = Server::with(&[]);
    let factory = factory(server.url());
    let devices = devices_of(&factory);
    let tried = at_every_effect(|run, device| devices.open(run, device));
    println!("{tried}");
    assert!(tried.effects > 250 && tried.commits > 80, "{tried}");
    assert_eq!(tried.faults, tried.possible);
}

/// One in twenty of the same faults where each commit waits for the disk.
#[test]
fn effects_may_go_wrong_on_a_durable_server() {
    const PARTS: usize = 20;
    let server = Server::durable();
    let factory = factory(server.url());
    let devices = devices_of(&factory);
    let tried = at_part_of_effects(7, PARTS, |run, device| devices.open(run, device));
    println!("{tried}");
    assert!(tried.faults >= tried.possible / PARTS, "{tried}");
}

/// One in twenty in a Cluster.
#[test]
fn effects_may_go_wrong_in_a_cluster() {
    const PARTS: usize = 20;
    let cluster = Cluster::start(3, false);
    let factory = factory(cluster.url());
    let devices = devices_of(&factory);
    let tried = at_part_of_effects(11, PARTS, |run, device| devices.open(run, device));
    println!("{tried}");
    assert!(tried.faults >= tried.possible / PARTS, "{tried}");
}

#[test]
fn two_processes_of_one_device_may_take_turns() {
    let server = Server::with(&[]);
    let factory = factory(server.url());
    let devices = devices_of(&factory);
    let tried = interleaved(|run, device| devices.open(run, device));
    println!("{tried}");
    assert!(tried.conflicts > tried.schedules, "{tried}");
}
