//! The primary of a Redis Cluster is killed and its replica takes over, while clients work.

use super::stage::Stage;
use super::work::{meanwhile, moment};
use crate::places::redis::cluster::Cluster;
use crate::places::redis::server::{Server, until};
use crate::places::{Place, Wrapping};

/// Whose slots the accounts are in, and who replicates it.
pub(crate) const PRIMARY: usize = 0;
const REPLICA: usize = 3;

fn is_primary(server: &Server) -> bool {
    server
        .try_run::<String>("INFO replication")
        .is_ok_and(|info| info.contains("role:master"))
}

/// A name of an account that the primary holds.
pub(crate) fn name(cluster: &Cluster, n: usize) -> String {
    let mut names = (0..).map(|of| format!("romeo{of}-{n}@montague.lit"));
    names
        .find(|name| cluster.owner(&format!("{{{name}}}")) == PRIMARY)
        .unwrap()
}

#[test]
fn of_a_redis_cluster() {
    let mut cluster = Cluster::start(3, true);
    let stages = [Wrapping::Plain, Wrapping::Sealed].map(|wrapping| {
        let name = name(&cluster, wrapping as usize);
        Stage::new(Place::Replicated(cluster.url()), wrapping, Some(&name))
    });
    let failovers = [[PRIMARY, REPLICA], [REPLICA, PRIMARY]];
    meanwhile(&[&stages[0], &stages[1]], |work| {
        for [dead, heir] in failovers {
            work.go_on();
            moment(20);
            cluster.nodes[dead].kill();
            until("the failover", || is_primary(&cluster.nodes[heir]));
            // Without a replica no commit is acknowledged; the one that died becomes it.
            cluster.nodes[dead].restart();
            until("the new replica", || !is_primary(&cluster.nodes[dead]));
        }
    });
    for stage in stages {
        assert!(stage.troubles.failures() > 0, "nobody noticed");
        stage.end(&format!(
            "failovers, Redis Cluster: {} failovers",
            failovers.len()
        ));
    }
}
