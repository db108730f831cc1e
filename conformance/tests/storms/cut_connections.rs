//! Connections that a proxy cuts before a request has reached the server, in the middle of it, and before its answer has
//! reached the client.

use super::stage::Stage;
use super::work::{meanwhile, moment};
use crate::places::postgres::proxy::{Cut, Proxy, ReadRequest, request};
use crate::places::redis::cluster::Cluster;
use crate::places::{Place, Server, Wrapping, resp};

/// How often each way, at least; and how many commits must have been hit.
const CUTS: usize = 20;
const HITS: usize = 10;
/// How many cuts follow one another at once: what a storage sends again by itself has to be hit, too.
const IN_A_ROW: usize = 10;

/// On a server that the proxy stands before.
fn storm_before(name: &str, read_request: ReadRequest) {
    let server = Server::ordinary(name);
    let (host, port) = server.place().address();
    let proxy = Proxy::of(read_request, (&host, port));
    let place = server.place().through(proxy.address());
    for wrapping in [Wrapping::Plain, Wrapping::Sealed] {
        storm(name, &proxy, &place, wrapping);
    }
}

fn storm(name: &str, proxy: &Proxy, place: &Place, wrapping: Wrapping) {
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

#[test]
fn of_postgres() {
    storm_before("PostgreSQL", request);
}

#[test]
fn of_redis() {
    storm_before("Redis", resp::request);
}

/// A Cluster tells its clients where its nodes are, so the node has to say that it is where the proxy is. One is enough: an
/// account is on one.
#[test]
fn of_redis_cluster() {
    let cluster = Cluster::start(1, false);
    let node = &cluster.nodes[0];
    let proxy = Proxy::of(resp::request, ("127.0.0.1", node.port));
    let port = proxy.address().port();
    let _: () = node.run(&format!("CONFIG SET cluster-announce-port {port}"));
    let place = Place::Redis(cluster.url()).through(proxy.address());
    storm("Redis Cluster", &proxy, &place, Wrapping::Plain);
}
