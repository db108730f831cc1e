//! How a server is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use omemo_storage::StorageError;

use crate::client::Servers;
use crate::durability::lacks_waiting;
use crate::error::misconfigured;
use crate::keys::Keyspace;
use crate::place::Place;
use crate::runtime::within;
use crate::topology::Topology;
use crate::{RedisStorage, schema};

/// How a server is opened. [`RedisStorage::open`] does with the defaults.
///
/// These are the URLs, each with the user and password of the servers where they ask for them:
///
/// * `redis://[user[:password]@]host[:port][/database]`, a single server;
///   `redis+unix:///path[?db=number&user=name&pass=word]`, the same by its socket.
/// * `redis-sentinel://[user[:password]@]host[:port][,host[:port]]*/name[/database]`: the hosts are those of the
///   sentinels (port 26379 unless told), `name` what they call the primary. The sentinels themselves are asked without
///   user and password.
/// * `redis-cluster://[user[:password]@]host[:port][,host[:port]]*`: some nodes of a Cluster, which tell of the others.
///
/// There is no TLS: `rediss:` is refused.
///
/// Each new connection asks its server whether commits can be trusted to it:
///
/// * `appendonly yes`, `appendfsync always` and `no-appendfsync-on-rewrite no`: a commit is on the disk before it is
///   answered. With `everysec` a power failure takes the last second back, and a ratchet that goes back uses its keys
///   twice.
/// * `maxmemory-policy noeviction`: a server that runs out of memory refuses commits. With another policy it would throw
///   records away.
/// * A server with replicas: see [`RedisOptions::wait_for_replicas`].
#[derive(Clone)]
pub struct RedisOptions {
    place: Place,
    prefix: String,
    timeout: Duration,
    connections: usize,
    replicas: Option<Replicas>,
    durability: Durability,
}

/// What everything that talks to a server must know.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) timeout: Duration,
    pub(crate) connections: usize,
    pub(crate) replicas: Option<Replicas>,
    pub(crate) durability: Durability,
    pub(crate) clustered: bool,
}

/// How many replicas must have a commit, and how long they may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replicas {
    pub(crate) count: usize,
    pub(crate) timeout: Duration,
}

/// Whether a server that may forget commits is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    Required,
    /// The caller answers for what cannot be checked.
    Vouched,
    Waived,
}

impl RedisOptions {
    /// The servers at a URL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](omemo_storage::ErrorKind::Misconfigured) if it is no URL of a Redis server, or one
    /// that asks for TLS.
    pub fn new(url: impl AsRef<str>) -> Result<Self, StorageError> {
        Ok(Self {
            place: Place::parse(url.as_ref())?,
            prefix: "omemo".to_owned(),
            timeout: Duration::from_secs(5),
            connections: 4,
            replicas: None,
            durability: Durability::Required,
        })
    }

    /// What all keys begin with, before a colon; `omemo` unless told. Applications that share a server each take their
    /// own. It must not have braces in it, which mean something in keys.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a server may take to accept a connection, and how long to answer, before a call fails; 5 seconds unless
    /// told. A commit that got no answer is [`OutcomeUnknown`](omemo_storage::ErrorKind::OutcomeUnknown) then. A call for
    /// an account that is moving to another server of a Cluster waits as long.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The most connections to a server that are open at a time; 4 unless told. Each serves any number of calls at once;
    /// only a wait for replicas keeps the calls behind it waiting.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// Lets a commit wait until `count` replicas have it, in the same round trip. If they do not within `timeout`, its
    /// outcome is unknown: it was written, but a failover could still take it back.
    ///
    /// A server that has replicas is not opened without, nor are sentinels, because a replica that takes over without
    /// having a commit brings older state back, and a ratchet that goes back uses its keys twice. Take all the replicas
    /// that a primary has: with fewer, the one that takes over may be one that was not waited for. A replica confirms what
    /// it has in memory; see that it writes to its disk as the primary does. While fewer replicas than `count` are
    /// connected, after a failover for one, no commit ends.
    #[must_use]
    pub fn wait_for_replicas(mut self, count: usize, timeout: Duration) -> Self {
        // 0 would mean to wait for ever.
        let timeout = timeout.max(Duration::from_millis(1));
        self.replicas = (count > 0).then_some(Replicas { count, timeout });
        self
    }

    /// Accepts a server that may forget commits. For tests and caches: a ratchet that goes back uses its keys twice.
    #[must_use]
    pub fn allow_volatile(mut self) -> Self {
        self.durability = Durability::Waived;
        self
    }

    /// Accepts a server that does not permit `CONFIG GET`, as managed ones do, on the caller's word that its settings are
    /// those above. What can be checked is checked.
    #[must_use]
    pub fn vouch_for_settings(mut self) -> Self {
        if self.durability == Durability::Required {
            self.durability = Durability::Vouched;
        }
        self
    }

    /// Connects to the server, or to every primary of a Cluster, and checks it.
    ///
    /// # Errors
    ///
    /// As [`RedisStorage::open`].
    pub async fn open(self) -> Result<RedisStorage, StorageError> {
        if self.prefix.contains(['{', '}', '\0']) {
            return Err(misconfigured(
                "the prefix of keys must have neither braces nor NUL",
            ));
        }
        within(async move {
            let keyspace = Keyspace::new(&self.prefix);
            let servers = self.connect().await?;
            schema::check(&servers, &keyspace).await?;
            Ok(RedisStorage::new(servers, keyspace))
        })
        .await
    }

    async fn connect(self) -> Result<Servers, StorageError> {
        let settings = Arc::new(Settings {
            timeout: self.timeout,
            connections: self.connections,
            replicas: self.replicas,
            durability: self.durability,
            clustered: matches!(self.place, Place::Cluster(_)),
        });
        let topology = Topology::new(self.place, settings.clone());
        topology.learn(0, None).await?;
        if self.durability != Durability::Waived && self.replicas.is_none() && topology.has_replicas() {
            return Err(lacks_waiting("the server has, or may get, replicas"));
        }
        for node in topology.primaries() {
            node.connect().await?;
        }
        Ok(Servers::new(topology, settings))
    }
}

impl fmt::Debug for RedisOptions {
    /// Without users and passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            prefix,
            timeout,
            connections,
            replicas,
            durability,
        } = self;
        f.debug_struct("RedisOptions")
            .field("servers", &place.addresses())
            .field("prefix", prefix)
            .field("timeout", timeout)
            .field("connections", connections)
            .field("replicas", replicas)
            .field("durability", durability)
            .finish()
    }
}
