//! Everybody at once on one account: each client has a storage handle of its own, as in a process of its own.

use std::time::{Duration, Instant};

use super::stage::Stage;
use super::work::at_once;
use crate::places::{Server, Wrapping};

const CLIENTS: usize = 8;

/// How long they work, and how many turns each must have had then.
const LASTS: Duration = Duration::from_secs(2);
const TURNS: usize = 3;

fn storm(name: &str) {
    let server = Server::ordinary(name);
    for wrapping in [Wrapping::Plain, Wrapping::Sealed] {
        let stage = Stage::new(server.place(), wrapping, None);
        let hands = (0..CLIENTS).map(|_| (&stage, stage.hand())).collect();
        let (mut least, mut most) = (0, 0);
        at_once(hands, |work| {
            let begun = Instant::now();
            work.until("everybody has had a turn", || {
                (least, most) = work.turns();
                begun.elapsed() > LASTS && least >= TURNS
            });
        });
        assert!(stage.troubles.conflicts() > CLIENTS, "hardly anybody met");
        stage.end(&format!(
            "conflicts, {name}: {CLIENTS} clients with {least} to {most} turns"
        ));
    }
}

#[test]
fn on_memory() {
    storm("memory");
}

#[test]
fn on_sqlite() {
    storm("SQLite");
}

#[test]
fn on_postgres() {
    storm("PostgreSQL");
}

#[test]
fn on_redis() {
    storm("Redis");
}

#[test]
fn on_a_redis_cluster() {
    storm("Redis Cluster");
}
