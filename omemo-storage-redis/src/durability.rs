//! What is asked of a server on each new connection to it, before it is used.

use omemo_storage::{ErrorKind, StorageError};
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, ServerErrorKind, Value};

use crate::error::{connection, misconfigured, refused, unavailable};
use crate::options::{Durability, Settings};

/// Each setting, what it must be, and what goes wrong otherwise.
const SETTINGS: [(&str, &str, &str); 4] = [
    ("appendonly", "yes", "commits would not be durable"),
    ("appendfsync", "always", "commits would not be durable"),
    (
        "no-appendfsync-on-rewrite",
        "no",
        "commits would not be durable during a rewrite",
    ),
    (
        "maxmemory-policy",
        "noeviction",
        "records would vanish when memory is short",
    ),
];

/// Shebangs of scripts and their flags came with Redis 7.0.
const OLDEST: u32 = 7;

/// Checks that the server is one that commits can be trusted to.
pub(crate) async fn check(
    server: &mut MultiplexedConnection,
    settings: &Settings,
) -> Result<(), StorageError> {
    let [info, replication, cluster, config, wait] = ask(server, settings).await?;
    let info = text(info)?;
    let replication = text(replication)?;
    check_version(&info)?;
    check_cluster(&text(cluster)?, settings)?;
    if field(&replication, "role") != Some("master") {
        return Err(unavailable(
            "the server is a replica, which does not take commits",
        ));
    }
    if settings.durability != Durability::Waived {
        check_settings(config, settings.durability)?;
        check_replicas(&replication, settings)?;
    }
    match wait {
        Value::ServerError(refusal) => Err(refused(&refusal)),
        _ => Ok(()),
    }
}

async fn ask(server: &mut MultiplexedConnection, settings: &Settings) -> Result<[Value; 5], StorageError> {
    let mut commands = Pipeline::new();
    for section in ["server", "replication", "cluster"] {
        commands.cmd("INFO").arg(section);
    }
    commands
        .cmd("CONFIG")
        .arg("GET")
        .arg(SETTINGS.map(|(name, ..)| name).as_slice());
    // With no replica to wait for it only tells whether it may be used.
    match settings.replicas {
        Some(_) => commands.cmd("WAIT").arg(0).arg(1),
        None => commands.cmd("PING"),
    };
    let answers = server.send_packed_commands(&commands, 0, commands.len()).await;
    let answers = answers.map_err(connection)?;
    answers
        .try_into()
        .map_err(|_| unavailable("the server did not answer as expected"))
}

fn text(answer: Value) -> Result<String, StorageError> {
    match answer {
        Value::BulkString(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Value::ServerError(refusal) => Err(refused(&refusal)),
        _ => Err(unavailable("the server did not answer as expected")),
    }
}

/// The value of a line `name:value`.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

fn check_version(info: &str) -> Result<(), StorageError> {
    let version = field(info, "redis_version").unwrap_or_default();
    let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
    match major {
        Some(major) if major < OLDEST => {
            let message = format!("the server is Redis {version}; {OLDEST}.0 or newer is needed");
            Err(StorageError::new(ErrorKind::UnsupportedVersion, message))
        }
        _ => Ok(()),
    }
}

fn check_cluster(info: &str, settings: &Settings) -> Result<(), StorageError> {
    match (field(info, "cluster_enabled"), settings.clustered) {
        (Some("1"), false) => Err(misconfigured(
            "the server is part of a Cluster: open it by a URL that begins with redis-cluster:",
        )),
        (Some("0"), true) => Err(misconfigured("the server is not part of a Cluster")),
        _ => Ok(()),
    }
}

fn check_settings(config: Value, durability: Durability) -> Result<(), StorageError> {
    let config = match config {
        Value::Array(config) => config,
        Value::ServerError(refusal) if may_not_ask(&refusal) => {
            return match durability {
                Durability::Required => Err(misconfigured(
                    "whether commits are durable cannot be checked, as the server does not permit CONFIG GET: \
                     appendonly, appendfsync, no-appendfsync-on-rewrite and maxmemory-policy; \
                     RedisOptions::vouch_for_settings takes your word for them",
                )),
                Durability::Vouched | Durability::Waived => Ok(()),
            };
        }
        Value::ServerError(refusal) => return Err(refused(&refusal)),
        _ => return Err(unavailable("the server did not answer as expected")),
    };
    let config: Vec<String> = config.into_iter().map(text).collect::<Result<_, _>>()?;
    for (name, wanted, harm) in SETTINGS {
        let found = config
            .chunks_exact(2)
            .find_map(|pair| {
                pair.first()
                    .is_some_and(|found| found == name)
                    .then(|| pair.last())
            })
            .flatten();
        match found {
            Some(found) if found == wanted => {}
            Some(found) => {
                return Err(misconfigured(format!("{harm}: {name} is {found}, not {wanted}")));
            }
            None if durability == Durability::Required => {
                return Err(misconfigured(format!("{harm}: the server does not know {name}")));
            }
            None => {}
        }
    }
    Ok(())
}

fn may_not_ask(refusal: &redis::ServerError) -> bool {
    let unknown = || {
        refusal
            .details()
            .is_some_and(|details| details.starts_with("unknown command"))
    };
    refusal.kind() == Some(ServerErrorKind::NoPerm) || unknown()
}

fn check_replicas(replication: &str, settings: &Settings) -> Result<(), StorageError> {
    let connected = field(replication, "connected_slaves");
    if settings.replicas.is_none() && connected.is_some_and(|connected| connected != "0") {
        return Err(lacks_waiting("the server has replicas"));
    }
    Ok(())
}

pub(crate) fn lacks_waiting(what: &str) -> StorageError {
    misconfigured(format!(
        "{what}: a failover would bring back older state, unless commits wait for replicas; \
         set RedisOptions::wait_for_replicas"
    ))
}
