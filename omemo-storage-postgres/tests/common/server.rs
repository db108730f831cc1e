//! A server of a test's own, to be misconfigured, stopped and killed.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use omemo_storage_postgres::PostgresOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use super::pooler::{free_port, is_root};

pub(crate) struct Server {
    directory: TempDir,
    port: u16,
    settings: Vec<String>,
    process: Mutex<Child>,
}

impl Server {
    /// Starts a new server with settings such as `fsync=off`.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        Self::start_in(directory, settings).await
    }

    /// The same with its files in a directory.
    pub(crate) async fn start_in(directory: TempDir, settings: &[&str]) -> Self {
        if is_root() {
            let owner = postgres_user();
            std::os::unix::fs::chown(directory.path(), Some(owner), None).unwrap();
        }
        let data = directory.path().join("data");
        let initialized = command("initdb")
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-sync",
                "--pgdata",
            ])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(initialized.success(), "initdb failed");
        let port = free_port();
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        let process = Mutex::new(spawn(&data, port, &settings));
        let server = Self {
            directory,
            port,
            settings,
            process,
        };
        server.wait_until_it_answers().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresOptions::new(&self.url()).unwrap().connections(6)
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    /// SIGKILL, as when the machine's memory runs out.
    pub(crate) fn kill(&self) {
        let mut process = self.process.lock().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Starts it again.
    pub(crate) async fn revive(&self) {
        *self.process.lock().unwrap() = spawn(&self.data(), self.port, &self.settings);
        self.wait_until_it_answers().await;
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// It does not start as long as a process of its former life is there, and is started again then.
    async fn wait_until_it_answers(&self) {
        loop {
            if let Ok(connection) = PgConnection::connect(&self.url()).await {
                connection.close().await.unwrap();
                return;
            }
            let mut process = self.process.lock().unwrap();
            if process.try_wait().unwrap().is_some() {
                *process = spawn(&self.data(), self.port, &self.settings);
            }
            drop(process);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(data: &Path, port: u16, settings: &[String]) -> Child {
    let mut command = command("postgres");
    command
        .arg("-D")
        .arg(data)
        .args(["-p", &port.to_string(), "-k", ""]);
    for setting in settings {
        command.args(["-c", setting]);
    }
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(data.with_file_name("log"))
        .unwrap();
    command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

/// A program of PostgreSQL, which refuses to run as root.
fn command(program: &str) -> Command {
    let mut command = Command::new(binaries().join(program));
    if is_root() {
        let user = postgres_user();
        command.uid(user);
    }
    command.current_dir("/");
    command
}

fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.unwrap().path().join("bin"))
        .chain(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ))
        .filter(|directory| directory.join("initdb").exists() && directory.join("postgres").exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| {
        panic!("the programs of a PostgreSQL server (initdb, postgres) are missing: install them, as by `apt-get install postgresql`")
    })
}

fn postgres_user() -> u32 {
    let id = Command::new("id").args(["-u", "postgres"]).output().unwrap();
    let id = String::from_utf8(id.stdout).unwrap();
    id.trim().parse().unwrap_or_else(|_| {
        panic!("PostgreSQL does not run as root, and there is no user postgres to run it as")
    })
}
