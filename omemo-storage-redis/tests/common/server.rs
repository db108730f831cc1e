//! A redis-server of the test's own.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Client, Connection, FromRedisValue, cmd};

/// How long a server may take for what happens by itself.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a server must be for commits to be durable.
pub(crate) const DURABLE: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

/// A server with a folder of its own. It ends with this value, and with the test's process however that ends.
pub(crate) struct Server {
    pub(crate) port: u16,
    arguments: Vec<String>,
    folder: PathBuf,
    process: Option<Child>,
    watchdog: Child,
}

impl Server {
    /// A server that keeps what it is told.
    pub(crate) fn durable() -> Self {
        Self::with(DURABLE)
    }

    /// The same in a folder.
    pub(crate) fn durable_in(parent: &Path) -> Self {
        Self::within(parent, DURABLE)
    }

    /// A server with settings of its own; by default it keeps nothing.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self::within(&std::env::temp_dir(), arguments)
    }

    pub(crate) fn within(parent: &Path, arguments: &[&str]) -> Self {
        loop {
            let port = free_port();
            let arguments = arguments.join(" ").replace("{port}", &port.to_string());
            if let Some(server) = Self::on(port, parent, &arguments) {
                return server;
            }
        }
    }

    /// `None` if somebody was faster to take the port.
    fn on(port: u16, parent: &Path, arguments: &str) -> Option<Self> {
        let folder = tempfile::tempdir_in(parent).unwrap().keep();
        let watchdog = watchdog(&folder);
        let arguments = arguments.split_whitespace().map(str::to_owned).collect();
        let mut server = Self {
            port,
            arguments,
            folder,
            process: None,
            watchdog,
        };
        server.try_start().then_some(server)
    }

    /// Starts it again after [`Server::kill`], with what it kept.
    pub(crate) fn restart(&mut self) {
        assert!(
            self.try_start(),
            "the server does not start again on port {}",
            self.port
        );
    }

    /// Starts again with other settings.
    pub(crate) fn restart_with(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.restart();
    }

    fn try_start(&mut self) -> bool {
        let sentinel = self.arguments.first().is_some_and(|first| first == "--sentinel");
        let mut command = Command::new("redis-server");
        if sentinel {
            let file = self.folder.join("sentinel.conf");
            if !file.exists() {
                std::fs::write(&file, "").unwrap();
            }
            command.arg(file).arg("--sentinel");
        } else {
            command.args(["--save", ""]);
        }
        let process = command
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--protected-mode",
                "no",
            ])
            .args(["--dir", self.folder.to_str().unwrap()])
            .args(self.arguments.iter().skip(usize::from(sentinel)))
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(self.folder.join("log")).unwrap())
            .spawn()
            .expect(
                "redis-server cannot be run: install it (apt-get install redis-server, or your system's way)",
            );
        self.tell_watchdog(&process.id().to_string());
        let id = process.id();
        let process = self.process.insert(process);
        let begun = Instant::now();
        loop {
            if process.try_wait().unwrap().is_some() {
                return false;
            }
            if process_at(self.port) == Some(id) {
                return true;
            }
            assert!(begun.elapsed() < PATIENCE, "redis-server does not answer");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            self.tell_watchdog("");
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Stops or continues the process.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        let signalled = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(signalled.success());
    }

    fn tell_watchdog(&mut self, process: &str) {
        let watchdog = self.watchdog.stdin.as_mut().unwrap();
        writeln!(watchdog, "{process}").unwrap();
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn connection(&self) -> Connection {
        Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    /// Runs a command; its words are separated by spaces.
    pub(crate) fn run<T: FromRedisValue>(&self, words: &str) -> T {
        self.try_run(words).unwrap()
    }

    pub(crate) fn try_run<T: FromRedisValue>(&self, words: &str) -> redis::RedisResult<T> {
        let mut words = words.split(' ');
        let mut command = cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>());
        command.query(&mut Client::open(self.url())?.get_connection()?)
    }

    /// How often a command was run, also by scripts.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let stats: String = self.run("INFO commandstats");
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    }

    /// The value of a line of `INFO`.
    pub(crate) fn info(&self, name: &str) -> String {
        info(&self.run::<String>("INFO everything"), name).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// A server for tests that break nothing: the one that `OMEMO_TEST_REDIS` names, or else one of the test's own.
pub(crate) struct Ordinary {
    pub(crate) url: String,
    _own: Option<Server>,
}

impl Ordinary {
    pub(crate) fn durable() -> Self {
        if let Ok(url) = std::env::var("OMEMO_TEST_REDIS") {
            return Self { url, _own: None };
        }
        let own = Server::durable();
        Self {
            url: own.url(),
            _own: Some(own),
        }
    }
}

/// Kills the process it was last told of, and removes the folder, when its standard input ends: with this process at the
/// latest.
fn watchdog(folder: &Path) -> Child {
    const SCRIPT: &str = r#"trap '' INT
        while read -r told; do process=$told; done
        case "$(ps -o comm= -p "${process:-$$}")" in redis-se*) kill -9 "$process";; esac
        sleep 0.1
        rm -rf "$1""#;
    Command::new("sh")
        .args(["-c", SCRIPT, "watchdog"])
        .arg(folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap()
}

/// One that is free, as is the one 10,000 above it, which the node of a Cluster takes too. Below those that the system
/// gives away by itself.
fn free_port() -> u16 {
    loop {
        let port = 10_000 + (super::random() % 12_000) as u16;
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
}

/// The process that answers at a port.
fn process_at(port: u16) -> Option<u32> {
    let client = Client::open(format!("redis://127.0.0.1:{port}")).ok()?;
    let mut connection = client.get_connection_with_timeout(Duration::from_secs(1)).ok()?;
    let info: String = cmd("INFO").query(&mut connection).ok()?;
    if info.contains("\nloading:1") {
        return None;
    }
    info.lines()
        .find_map(|line| line.strip_prefix("process_id:"))?
        .trim()
        .parse()
        .ok()
}

pub(crate) fn info(info: &str, name: &str) -> Option<String> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(|value| value.trim().to_owned())
}

/// Waits until something is so that comes by itself.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "{what} does not come");
        thread::sleep(Duration::from_millis(20));
    }
}
