//! Which server has which slot, and how that is learned.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omemo_storage::StorageError;
use redis::{ConnectionAddr, ConnectionInfo, FromRedisValue, Value, cmd};

use crate::error::{connection, misconfigured, unavailable};
use crate::keys::SLOTS;
use crate::node::{Node, connect};
use crate::options::Settings;
use crate::place::Place;

/// What is known of the servers.
pub(crate) struct Topology {
    place: Place,
    settings: Arc<Settings>,
    map: Mutex<Map>,
    /// Held by whoever asks anew; others wait and find the answer.
    asking: tokio::sync::Mutex<()>,
}

/// The primaries and their slots, as last heard.
#[derive(Default)]
struct Map {
    nodes: Vec<Arc<Node>>,
    /// For each slot, the place of its node; one that is not there means nobody has the slot.
    owners: Vec<u16>,
    /// Every node of a Cluster, also replicas: whom to ask.
    known: Vec<ConnectionInfo>,
    has_replicas: bool,
    /// Counts the answers, so that one is not asked for twice.
    version: u64,
}

impl Map {
    fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        let place = self.owners.get(usize::from(slot))?;
        self.nodes.get(usize::from(*place))
    }

    fn node(&self, address: &ConnectionAddr) -> Option<usize> {
        self.nodes.iter().position(|node| node.address() == address)
    }
}

/// What one node of a Cluster says: ranges of slots with their primary, and everybody's address.
#[derive(Default)]
struct Ranges {
    ranges: Vec<(u16, u16, ConnectionAddr)>,
    known: Vec<ConnectionAddr>,
    has_replicas: bool,
}

impl Ranges {
    fn owner(&self, slot: u16) -> Option<&ConnectionAddr> {
        let range = self
            .ranges
            .iter()
            .find(|(first, last, _)| (*first..=*last).contains(&slot));
        range.map(|(.., address)| address)
    }
}

impl Topology {
    pub(crate) fn new(place: Place, settings: Arc<Settings>) -> Self {
        Self {
            place,
            settings,
            map: Mutex::default(),
            asking: tokio::sync::Mutex::new(()),
        }
    }

    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server that has the slot, as far as known.
    pub(crate) async fn owner(&self, slot: u16) -> Result<Arc<Node>, StorageError> {
        if let Some(node) = self.map().owner(slot) {
            return Ok(node.clone());
        }
        self.learn(slot, None).await?;
        let node = self.map().owner(slot).cloned();
        node.ok_or_else(|| unavailable("no server of the cluster has the slot of the account"))
    }

    /// All primaries known.
    pub(crate) fn primaries(&self) -> Vec<Arc<Node>> {
        self.map().nodes.clone()
    }

    /// Whether a failover could happen, as far as known.
    pub(crate) fn has_replicas(&self) -> bool {
        matches!(self.place, Place::Sentinel { .. }) || self.map().has_replicas
    }

    /// A server told that another one has the slot.
    pub(crate) fn moved(&self, slot: u16, address: &str) -> Option<Arc<Node>> {
        let node = self.at(address)?;
        let mut map = self.map();
        let place = match map.node(node.address()) {
            Some(place) => place,
            None => {
                map.nodes.push(node.clone());
                map.nodes.len() - 1
            }
        };
        if let Some(owner) = map.owners.get_mut(usize::from(slot)) {
            *owner = place as u16;
        }
        Some(node)
    }

    /// The node of a Cluster at an address.
    pub(crate) fn at(&self, address: &str) -> Option<Arc<Node>> {
        let Place::Cluster(seeds) = &self.place else {
            return None;
        };
        let (host, port) = address.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let address = ConnectionAddr::Tcp(host.to_owned(), port.parse().ok()?);
        let map = self.map();
        if let Some(place) = map.node(&address) {
            return map.nodes.get(place).cloned();
        }
        let server = seeds.first()?.clone().set_addr(address);
        Some(Arc::new(Node::new(server, self.settings.clone())))
    }

    /// Asks who has the slot, after `failed` did not serve it. Whoever comes while somebody asks takes that answer.
    pub(crate) async fn learn(&self, slot: u16, failed: Option<&Arc<Node>>) -> Result<(), StorageError> {
        let version = self.map().version;
        let _asking = self.asking.lock().await;
        if self.map().version != version {
            return Ok(());
        }
        match &self.place {
            Place::Single(server) => self.adopt_one(server.clone()),
            Place::Sentinel {
                sentinels,
                name,
                server,
            } => {
                let address = self.ask_sentinels(sentinels, name).await?;
                self.adopt_one(server.clone().set_addr(address));
            }
            Place::Cluster(seeds) => {
                let ranges = self.ask_cluster(seeds, slot, failed).await?;
                self.adopt(seeds, ranges);
            }
        }
        Ok(())
    }

    fn adopt_one(&self, server: ConnectionInfo) {
        let mut map = self.map();
        if map.node(server.addr()).is_none() {
            map.nodes = vec![Arc::new(Node::new(server, self.settings.clone()))];
            map.owners = vec![0; usize::from(SLOTS)];
        }
        map.version += 1;
    }

    /// Keeps the nodes that are still there, with their connections.
    fn adopt(&self, seeds: &[ConnectionInfo], ranges: Ranges) {
        let mut map = self.map();
        let Some(seed) = seeds.first() else { return };
        let mut nodes: Vec<Arc<Node>> = Vec::new();
        let mut owners = vec![u16::MAX; usize::from(SLOTS)];
        for (first, last, address) in ranges.ranges {
            let place = match nodes.iter().position(|node| *node.address() == address) {
                Some(place) => place,
                None => {
                    let known = map.node(&address).and_then(|place| map.nodes.get(place).cloned());
                    let new = || Arc::new(Node::new(seed.clone().set_addr(address), self.settings.clone()));
                    nodes.push(known.unwrap_or_else(new));
                    nodes.len() - 1
                }
            };
            for owner in owners
                .iter_mut()
                .take(usize::from(last) + 1)
                .skip(usize::from(first))
            {
                *owner = place as u16;
            }
        }
        map.nodes = nodes;
        map.owners = owners;
        map.known = ranges
            .known
            .into_iter()
            .map(|address| seed.clone().set_addr(address))
            .collect();
        map.has_replicas = ranges.has_replicas;
        map.version += 1;
    }

    async fn ask_sentinels(
        &self,
        sentinels: &[ConnectionInfo],
        name: &str,
    ) -> Result<ConnectionAddr, StorageError> {
        let mut unknown = false;
        let mut failed = None;
        for sentinel in sentinels {
            let mut question = cmd("SENTINEL");
            question.arg("get-master-addr-by-name").arg(name);
            match self.ask(sentinel, &question).await {
                Ok(answer) => match <(String, u16)>::from_redis_value(answer) {
                    Ok((host, port)) => return Ok(ConnectionAddr::Tcp(host, port)),
                    Err(_) => unknown = true,
                },
                Err(error) => failed = Some(error),
            }
        }
        if unknown {
            return Err(misconfigured(format!(
                "the sentinels know no primary of the name {name}"
            )));
        }
        let error = unavailable("no sentinel answers");
        Err(match failed {
            Some(failed) => error.with_source(failed),
            None => error,
        })
    }

    /// A node that has not heard of a failover yet still names the one that failed: others are asked then.
    async fn ask_cluster(
        &self,
        seeds: &[ConnectionInfo],
        slot: u16,
        failed: Option<&Arc<Node>>,
    ) -> Result<Ranges, StorageError> {
        let known = self.map().known.clone();
        let mut outdated = None;
        let mut error = unavailable("no node of the cluster answers");
        for node in known.iter().chain(seeds) {
            let mut question = cmd("CLUSTER");
            question.arg("SLOTS");
            let ranges = match self.ask(node, &question).await {
                Ok(answer) => ranges(&answer, node.addr()),
                Err(failed) => {
                    error = failed;
                    continue;
                }
            };
            match ranges.owner(slot) {
                Some(owner) if failed.is_none_or(|failed| failed.address() != owner) => return Ok(ranges),
                _ => outdated = Some(ranges),
            }
        }
        outdated.ok_or(error)
    }

    async fn ask(&self, server: &ConnectionInfo, question: &redis::Cmd) -> Result<Value, StorageError> {
        let mut server = connect(server, &self.settings).await?;
        let answer = server.send_packed_command(question).await;
        answer.and_then(Value::extract_error).map_err(connection)
    }
}

/// Reads `CLUSTER SLOTS`: <https://redis.io/commands/cluster-slots/>. An empty host is the one that was asked.
fn ranges(answer: &Value, asked: &ConnectionAddr) -> Ranges {
    let mut read = Ranges::default();
    let Value::Array(ranges) = answer else { return read };
    for range in ranges {
        let Value::Array(range) = range else { continue };
        let [Value::Int(first), Value::Int(last), nodes @ ..] = range.as_slice() else {
            continue;
        };
        let addresses: Vec<_> = nodes.iter().filter_map(|node| address(node, asked)).collect();
        read.has_replicas |= nodes.len() > 1;
        if let (Ok(first), Ok(last), Some(primary)) =
            (u16::try_from(*first), u16::try_from(*last), addresses.first())
        {
            read.ranges.push((first, last, primary.clone()));
        }
        for address in addresses {
            if !read.known.contains(&address) {
                read.known.push(address);
            }
        }
    }
    read
}

fn address(node: &Value, asked: &ConnectionAddr) -> Option<ConnectionAddr> {
    let Value::Array(node) = node else { return None };
    let [host, Value::Int(port), ..] = node.as_slice() else {
        return None;
    };
    let host = match host {
        Value::BulkString(host) if !host.is_empty() => String::from_utf8(host.clone()).ok()?,
        _ => match asked {
            ConnectionAddr::Tcp(host, _) => host.clone(),
            _ => return None,
        },
    };
    Some(ConnectionAddr::Tcp(host, u16::try_from(*port).ok()?))
}
