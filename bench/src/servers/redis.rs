//! A Redis server of our own, which has each commit on the disk before it answers.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use omemo_storage::blocking::wait;
use omemo_storage_redis::RedisStorage;
use redis::{Client, FromRedisValue, cmd};
use tempfile::TempDir;

use super::directory;
use crate::measure::Failure;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody else may take the port that was free a moment ago.
const ATTEMPTS: usize = 8;

/// Runs the server until the standard input ends: with this program at the latest, however that ends.
const SCRIPT: &str = r#"trap '' INT
    redis-server "$@" >/dev/null &
    cat >/dev/null
    kill -9 $!
    wait"#;

/// A server with a folder of its own. Both go with this value.
pub(crate) struct Redis {
    port: u16,
    /// `None` once it shall end.
    alive: Option<ChildStdin>,
    process: Child,
    folder: TempDir,
}

impl Redis {
    pub(crate) fn start() -> Result<Self, Failure> {
        let version = Command::new("redis-server")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if let Err(error) = version {
            let advice = "install it (apt-get install redis-server, or your system's way)";
            return Err(format!("redis-server cannot be run ({error}): {advice}").into());
        }
        for _ in 0..ATTEMPTS {
            let server = Self::try_start()?;
            if server.answers() {
                return Ok(server);
            }
        }
        Err("redis-server does not start".into())
    }

    fn try_start() -> Result<Self, Failure> {
        let folder = TempDir::with_prefix_in("redis-", directory()?)?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut process = Command::new("sh")
            .args(["-c", SCRIPT, "redis-server"])
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .arg("--dir")
            .arg(folder.path())
            .args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"])
            // A rewrite would take the disk from whoever is being timed.
            .args(["--auto-aof-rewrite-percentage", "0"])
            .stdin(Stdio::piped())
            .spawn()?;
        Ok(Self {
            port,
            alive: process.stdin.take(),
            process,
            folder,
        })
    }

    /// Whether it comes to answer, and is the one that was started.
    fn answers(&self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match self.folder_of_the_one_that_answers() {
                Some(folder) => return Path::new(&folder) == self.folder.path(),
                None => thread::sleep(Duration::from_millis(10)),
            }
        }
        false
    }

    fn folder_of_the_one_that_answers(&self) -> Option<String> {
        let (_, folder): (String, String) = self.ask(cmd("CONFIG").arg("GET").arg("dir")).ok()?;
        Some(folder)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A storage in it.
    pub(crate) fn open(&self) -> Result<RedisStorage, Failure> {
        Ok(wait(RedisStorage::open(self.url()))?)
    }

    fn ask<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, Failure> {
        let mut connection = Client::open(self.url())?.get_connection_with_timeout(PATIENCE)?;
        Ok(command.query(&mut connection)?)
    }

    /// How many bytes of memory it has in use.
    pub(crate) fn memory(&self) -> Result<u64, Failure> {
        let info: String = self.ask(cmd("INFO").arg("memory"))?;
        let memory = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        Ok(memory.ok_or("INFO has no used_memory")?.trim().parse()?)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.alive.take());
        let _ = self.process.wait();
    }
}
