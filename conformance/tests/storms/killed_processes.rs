//! SIGKILL to clients in the middle of what they do: two processes of one device, each begun again when it has died.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::process::Process;
use super::stage::Stage;
use super::work::at_once;
use crate::places::{Server, Wrapping};

/// How many of each storage, plain and sealed.
const KILLS: usize = 20;

fn storm(name: &str) {
    let server = Server::ordinary(name);
    for wrapping in [Wrapping::Plain, Wrapping::Sealed] {
        let stage = Stage::new(server.place(), wrapping, None);
        let kills = Arc::new(AtomicUsize::new(0));
        let [romeo, juliet] = stage.jids();
        let process = || Process::new(&stage.place, wrapping, [&romeo, &juliet], &stage.troubles, &kills);
        at_once(vec![(&stage, process()), (&stage, process())], |work| {
            work.until("enough were killed, and enough was said", || {
                kills.load(Ordering::SeqCst) >= KILLS && stage.was_eventful()
            });
        });
        let kills = kills.load(Ordering::SeqCst);
        stage.end(&format!("killed processes, {name}: {kills} kills"));
    }
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
