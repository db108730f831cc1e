//! A server of a test's own, to be misconfigured, stopped and killed.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use omemo_storage_postgres::PostgresOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use super::pooler::{free_port, is_root};

/// How long it may take to start, also after a crash.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Server {
    directory: TempDir,
    port: u16,
    /// In blocks of 512 bytes.
    largest_file: Option<u32>,
    settings: Vec<String>,
    process: Mutex<Child>,
}

impl Server {
    /// Starts a new server with settings such as `fsync=off`.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        Self::start_within(None, settings).await
    }

    /// The same, where no file may grow beyond so many blocks of 512 bytes, as on a disk that is full.
    pub(crate) async fn start_within(largest_file: Option<u32>, settings: &[&str]) -> Self {
        Self::start_at(TempDir::new().unwrap(), largest_file, settings).await
    }

    /// The same in a folder.
    pub(crate) async fn start_in(parent: &Path, settings: &[&str]) -> Self {
        Self::start_at(TempDir::new_in(parent).unwrap(), None, settings).await
    }

    async fn start_at(directory: TempDir, largest_file: Option<u32>, settings: &[&str]) -> Self {
        if is_root() {
            std::os::unix::fs::chown(directory.path(), Some(postgres_user()), None).unwrap();
        }
        let initialized = command(&binaries().join("initdb"))
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-sync",
                "--pgdata",
            ])
            .arg(directory.path().join("data"))
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(initialized.success(), "initdb failed");
        let (data, port) = (directory.path().join("data"), free_port());
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        let server = Self {
            directory,
            port,
            largest_file,
            process: Mutex::new(spawn(&data, port, largest_file, &settings)),
            settings,
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

    /// What it has written to its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// SIGKILL, as when the machine's memory runs out.
    pub(crate) fn kill(&self) {
        let mut process = self.process.lock().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Stops it in order: what is under way is ended.
    pub(crate) fn stop(&self) {
        let mut process = self.process.lock().unwrap();
        let interrupted = Command::new("kill")
            .args(["-INT", &process.id().to_string()])
            .status()
            .unwrap();
        assert!(interrupted.success());
        process.wait().unwrap();
    }

    /// Starts it again if it has ended by itself.
    pub(crate) async fn revive_if_dead(&self) {
        self.wait_until_it_answers().await;
    }

    /// Starts it again.
    pub(crate) async fn revive(&self) {
        *self.process.lock().unwrap() = self.spawn();
        self.wait_until_it_answers().await;
    }

    fn spawn(&self) -> Child {
        let data = self.directory.path().join("data");
        spawn(&data, self.port, self.largest_file, &self.settings)
    }

    /// It does not start as long as a process of its former life is there, and is started again then.
    async fn wait_until_it_answers(&self) {
        let begun = Instant::now();
        loop {
            assert!(
                begun.elapsed() < PATIENCE,
                "PostgreSQL does not answer: {}",
                self.log()
            );
            if let Ok(connection) = PgConnection::connect(&self.url()).await {
                connection.close().await.unwrap();
                return;
            }
            let mut process = self.process.lock().unwrap();
            if process.try_wait().unwrap().is_some() {
                *process = self.spawn();
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

fn spawn(data: &Path, port: u16, largest_file: Option<u32>, settings: &[String]) -> Child {
    let limit = largest_file.map_or("unlimited".to_owned(), |blocks| blocks.to_string());
    let mut command = command(Path::new("sh"));
    command
        .args(["-c", &format!("ulimit -f {limit}; exec \"$0\" \"$@\"")])
        .arg(binaries().join("postgres"))
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

/// A program run as a user that may run a server: PostgreSQL refuses to run as root.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    if is_root() {
        command.uid(postgres_user());
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
