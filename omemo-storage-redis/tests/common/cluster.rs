//! A Cluster of the test's own.

use std::path::Path;

use super::server::{Server, info, until};

const SLOTS: usize = 16_384;

/// Some primaries, and a replica of each or none.
pub(crate) struct Cluster {
    /// The primaries first, then their replicas in the same order.
    pub(crate) nodes: Vec<Server>,
    pub(crate) primaries: usize,
}

impl Cluster {
    pub(crate) fn start(primaries: usize, with_replicas: bool) -> Self {
        Self::start_in(&std::env::temp_dir(), primaries, with_replicas)
    }

    /// The same, with the folder of the first primary in another.
    pub(crate) fn start_in(parent: &Path, primaries: usize, with_replicas: bool) -> Self {
        // A node that is only slow must not be taken for dead where nobody takes over.
        let patience = if with_replicas { 3_000 } else { 30_000 };
        let arguments = format!(
            "--appendonly yes --appendfsync always --cluster-enabled yes --cluster-node-timeout {patience} \
             --cluster-allow-replica-migration no --repl-diskless-sync-delay 0"
        );
        let count = if with_replicas { 2 * primaries } else { primaries };
        let first = Server::within(parent, &[&arguments]);
        let others = (1..count).map(|_| Server::with(&[&arguments]));
        let nodes = [first].into_iter().chain(others).collect();
        let cluster = Self { nodes, primaries };
        cluster.join();
        cluster
    }

    fn join(&self) {
        let first = self.nodes.first().unwrap();
        for (n, node) in self.nodes.iter().enumerate() {
            let _: () = node.run(&format!("CLUSTER SET-CONFIG-EPOCH {}", n + 1));
            if n < self.primaries {
                let [begin, end] = [n, n + 1].map(|n| n * SLOTS / self.primaries);
                let _: () = node.run(&format!("CLUSTER ADDSLOTSRANGE {begin} {}", end - 1));
            }
            let _: () = node.run(&format!("CLUSTER MEET 127.0.0.1 {}", first.port));
        }
        for node in &self.nodes {
            until("the nodes' acquaintance", || {
                let nodes: String = node.run("CLUSTER NODES");
                nodes.lines().count() == self.nodes.len() && !nodes.contains("handshake")
            });
        }
        for (replica, primary) in self.nodes.iter().skip(self.primaries).zip(&self.nodes) {
            let _: () = replica.run(&format!("CLUSTER REPLICATE {}", id(primary)));
        }
        self.settle();
    }

    /// Waits until every node agrees that all is well.
    pub(crate) fn settle(&self) {
        for (n, node) in self.nodes.iter().enumerate() {
            until("the cluster", || {
                let state: String = node.run("CLUSTER INFO");
                let slots: redis::Value = node.run("CLUSTER SLOTS");
                let redis::Value::Array(ranges) = slots else {
                    return false;
                };
                let complete = ranges.iter().all(|range| match range {
                    redis::Value::Array(range) => range.len() == 2 + self.nodes.len() / self.primaries,
                    _ => false,
                });
                info(&state, "cluster_state").as_deref() == Some("ok") && complete
            });
            if n >= self.primaries {
                until("the replica", || node.info("master_link_status") == "up");
            }
        }
    }

    /// Kills all nodes as a crash would, and starts them again.
    pub(crate) fn restart(&mut self) {
        for node in &mut self.nodes {
            node.kill();
        }
        for node in &mut self.nodes {
            node.restart();
        }
        // For two seconds a primary that has come back takes no commands.
        self.settle();
    }

    /// Cuts every connection that clients have.
    pub(crate) fn cut(&self) {
        for node in &self.nodes {
            let _: u64 = node.run("CLIENT KILL TYPE normal SKIPME yes");
        }
    }

    pub(crate) fn url(&self) -> String {
        let addresses: Vec<String> = self.nodes.iter().map(Server::address).collect();
        format!("redis-cluster://{}", addresses.join(","))
    }

    /// Calls of a command on all nodes.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        self.nodes.iter().map(|node| node.calls(command)).sum()
    }

    /// The place of the primary that has the slot of a key.
    pub(crate) fn owner(&self, key: &str) -> usize {
        let slot: usize = self.nodes.first().unwrap().run(&format!("CLUSTER KEYSLOT {key}"));
        (0..self.primaries)
            .find(|n| slot < (n + 1) * SLOTS / self.primaries)
            .unwrap()
    }
}

/// A Cluster for tests that break nothing, whose primaries have replicas: the one that `OMEMO_TEST_REDIS_CLUSTER` names, or
/// else one of the test's own.
pub(crate) struct OrdinaryCluster {
    pub(crate) url: String,
    _own: Option<Cluster>,
}

impl OrdinaryCluster {
    pub(crate) fn replicated() -> Self {
        if let Ok(url) = std::env::var("OMEMO_TEST_REDIS_CLUSTER") {
            return Self { url, _own: None };
        }
        let own = Cluster::start(3, true);
        Self {
            url: own.url(),
            _own: Some(own),
        }
    }
}

impl Server {
    /// The port of the primary that, as this node knows, has a slot.
    pub(crate) fn owner_of(&self, slot: u16) -> Option<u16> {
        let ranges: Vec<Vec<redis::Value>> = self.run("CLUSTER SLOTS");
        ranges.into_iter().find_map(|range| {
            let mut range = range.into_iter();
            let (first, last) = (number(range.next()?)?, number(range.next()?)?);
            let redis::Value::Array(primary) = range.next()? else {
                return None;
            };
            let port = number(primary.into_iter().nth(1)?)?;
            (first..=last).contains(&slot).then_some(port)
        })
    }

    /// The configuration epoch of a node, as this node knows it.
    pub(crate) fn epoch_of(&self, id: &str) -> Option<u64> {
        let nodes: String = self.run("CLUSTER NODES");
        let line = nodes.lines().find(|line| line.starts_with(id))?;
        line.split(' ').nth(6)?.parse().ok()
    }
}

fn number(value: redis::Value) -> Option<u16> {
    redis::from_redis_value(value).ok()
}

/// The id by which the others know a node.
pub(crate) fn id(node: &Server) -> String {
    node.run("CLUSTER MYID")
}
