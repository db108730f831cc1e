//! Connections that a proxy cuts before a request has reached the server, in the middle of it, and before its answer has
//! reached the client.

use super::stage::Stage;
use super::work::{meanwhile, moment};
use crate::places::postgres::proxy::{Cut, Proxy, ReadRequest, request};
use crate::places::{Server, Wrapping, resp};

/// How often each way, at least; and how many commits must have been hit.
const CUTS: usize = 20;
const HITS: usize = 10;
/// How many cuts follow one another at once: what a storage sends again by itself has to be hit, too.
const IN_A_ROW: usize = 10;

fn storm(name: &str, read_request: ReadRequest) {
    let server = Server::ordinary(name);
    let (host, port) = server.place().address();
    let proxy = Proxy::of(read_request, (&host, port));
    let place = server.place().through(proxy.address());
    for wrapping in [Wrapping::Plain, Wrapping::Sealed] {
        let stage = Stage::new(place.clone(), wrapping, None);
        let mut cuts = [0; 3];
        meanwhile(&[&stage], |work| {
            for (cut, count) in [Cut::BeforeRequest, Cut::WithinRequest, Cut::BeforeAnswer]
                .into_iter()
                .zip(&mut cuts)
            {
                let before = stage.troubles.unknown();
                while *count < CUTS || stage.troubles.unknown() < before + HITS {
                    for _ in 0..IN_A_ROW {
                        proxy.plan(cut);
                        work.until("a request comes", || proxy.has_cut());
                        *count += 1;
                    }
                    moment(20);
                }
                work.go_on();
            }
        });
        let [before, within, after] = cuts;
        stage.end(&format!(
            "cut connections, {name}: {before} cuts before a request, {within} within, {after} after"
        ));
    }
}

#[test]
fn of_postgres() {
    storm("PostgreSQL", request);
}

#[test]
fn of_redis() {
    storm("Redis", resp::request);
}
