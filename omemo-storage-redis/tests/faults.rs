//! The protocol bears a fault at each of its effects on this storage, on a server and in a Cluster.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::cluster::Cluster;
use common::server::Server;
use omemo_conformance::faults::{self, Tried};
use omemo_storage::blocking::wait;
use omemo_storage_redis::RedisOptions;

/// Each device has keys of its own, each time the story is told.
fn at_every_effect(url: &str) -> Tried {
    faults::at_every_effect(|run, device| {
        let prefix = format!("{run} {device}");
        let options = RedisOptions::new(url).unwrap().prefix(prefix);
        wait(options.connections(1).open()).unwrap()
    })
}

#[test]
fn every_effect_may_go_wrong() {
    let server = Server::durable();
    let tried = at_every_effect(&server.url());
    println!("{tried:?}");
    assert!(tried.effects > 250 && tried.commits > 80, "{tried:?}");
}

#[test]
fn every_effect_may_go_wrong_in_a_cluster() {
    let cluster = Cluster::start(3, false);
    let tried = at_every_effect(&cluster.url());
    println!("{tried:?}");
    assert!(tried.effects > 250 && tried.commits > 80, "{tried:?}");
}
