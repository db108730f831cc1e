//! Where the servers are, as a URL tells.

use omemo_storage::StorageError;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::error::{connection, misconfigured};

/// How the server of a slot is found.
#[derive(Clone)]
pub(crate) enum Place {
    /// There is one.
    Single(ConnectionInfo),
    /// Sentinels know which is the primary of that name; `server` has everything but its address.
    Sentinel {
        sentinels: Vec<ConnectionInfo>,
        name: String,
        server: ConnectionInfo,
    },
    /// Some of the nodes of a Cluster, which know the others.
    Cluster(Vec<ConnectionInfo>),
}

impl Place {
    pub(crate) fn parse(url: &str) -> Result<Self, StorageError> {
        let (scheme, rest) = url.split_once("://").ok_or_else(no_url)?;
        match scheme {
            "redis" | "valkey" | "redis+unix" | "valkey+unix" | "unix" => Ok(Self::Single(server(url)?)),
            "redis-sentinel" => Self::sentinel(rest),
            "redis-cluster" => Self::cluster(rest),
            "rediss" | "valkeys" => Err(misconfigured(
                "this storage connects without TLS; let a tunnel (stunnel, a sidecar) do it on the server's side",
            )),
            _ => Err(no_url()),
        }
    }

    /// `[user[:password]@]host[:port][,host[:port]]*/name[/database]`
    fn sentinel(rest: &str) -> Result<Self, StorageError> {
        let (authority, path) = rest.split_once('/').ok_or_else(|| {
            misconfigured("a URL that begins with redis-sentinel: ends with the name of the primary")
        })?;
        let (name, database) = path.split_once('/').unwrap_or((path, ""));
        let (user, hosts) = user_and_hosts(authority);
        if name.is_empty() {
            return Err(no_url());
        }
        const PORT: u16 = 26_379;
        let sentinels = hosts
            .split(',')
            .map(|host| server(&format!("redis://{}", with_port(host, PORT))))
            .collect::<Result<_, _>>()?;
        Ok(Self::Sentinel {
            sentinels,
            name: name.to_owned(),
            server: server(&format!("redis://{user}sentinel/{database}"))?,
        })
    }

    /// `[user[:password]@]host[:port][,host[:port]]*`
    fn cluster(rest: &str) -> Result<Self, StorageError> {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !path.is_empty() {
            return Err(misconfigured(
                "a Cluster has one database: the URL must end with the hosts",
            ));
        }
        let (user, hosts) = user_and_hosts(authority);
        let nodes = hosts
            .split(',')
            .map(|host| server(&format!("redis://{user}{host}")));
        Ok(Self::Cluster(nodes.collect::<Result<_, _>>()?))
    }

    /// The addresses it names.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let servers = match self {
            Self::Single(server) => std::slice::from_ref(server),
            Self::Sentinel { sentinels, .. } => sentinels,
            Self::Cluster(nodes) => nodes,
        };
        servers.iter().map(|server| server.addr().to_string()).collect()
    }
}

/// The user and password with the sign that ends them, and the hosts.
fn user_and_hosts(authority: &str) -> (&str, &str) {
    match authority.rfind('@') {
        Some(at) => authority.split_at(at + 1),
        None => ("", authority),
    }
}

fn with_port(host: &str, port: u16) -> String {
    let after_brackets = host.rsplit(']').next().unwrap_or(host);
    if after_brackets.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    }
}

fn server(url: &str) -> Result<ConnectionInfo, StorageError> {
    let server = url.into_connection_info().map_err(|_| no_url())?;
    match server.addr() {
        ConnectionAddr::Tcp(host, _) if host.is_empty() => Err(no_url()),
        ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_) => {
            let redis = server.redis_settings().clone().set_skip_set_lib_name();
            Ok(server.set_redis_settings(redis))
        }
        _ => Err(connection(redis::RedisError::from((
            redis::ErrorKind::InvalidClientConfig,
            "an address of another kind",
        )))),
    }
}

/// Without the URL, which may have a password in it.
fn no_url() -> StorageError {
    misconfigured("this is no URL of a Redis server")
}
