//! A pgbouncer of a test's own, in transaction mode.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

pub(crate) struct Pooler {
    process: Child,
    port: u16,
    _directory: TempDir,
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8(id.stdout).unwrap().trim() == "0"
}

impl Pooler {
    /// Three sessions for however many connections, so that they do get mixed up.
    pub(crate) fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let port = free_port();
        let url = super::url();
        let (user, host) = parts(&url);
        let (name, password) = user.split_once(':').unwrap_or((&user, ""));
        let (host, server_port) = host.split_once(':').unwrap_or((&host, "5432"));
        let users = directory.path().join("users.txt");
        fs::write(&users, format!("\"{name}\" \"{password}\"\n")).unwrap();
        let configuration = format!(
            "[databases]\n* = host={host} port={server_port} user={name} {}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = trust\nauth_file = {}\npool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 500\n",
            if password.is_empty() {
                String::new()
            } else {
                format!("password={password}")
            },
            users.display(),
        );
        let file = directory.path().join("pgbouncer.ini");
        fs::write(&file, configuration).unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("pgbouncer");
        command
            .env("PATH", path)
            .arg("-q")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if is_root() {
            // It refuses to run as root.
            command.args(["-u", "postgres"]);
        }
        let process = command.arg(&file).spawn().unwrap_or_else(|error| {
            panic!("pgbouncer cannot be started ({error}): install it, as by `apt-get install pgbouncer`")
        });
        let mut pooler = Self {
            process,
            port,
            _directory: directory,
        };
        pooler.wait_until_it_listens();
        pooler
    }

    fn wait_until_it_listens(&mut self) {
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "pgbouncer has ended: {ended:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn url(&self) -> String {
        let url = super::url();
        let (user, _) = parts(&url);
        let (name, _) = user.split_once(':').unwrap_or((&user, ""));
        let (_, database) = url.rsplit_once('/').unwrap();
        format!("postgres://{name}@127.0.0.1:{}/{database}", self.port)
    }
}

/// What stands before the `@` of a URL, and what follows up to the path.
fn parts(url: &str) -> (String, String) {
    let (_, rest) = url.split_once("://").unwrap();
    let (user, rest) = rest.split_once('@').unwrap();
    let (host, _) = rest.split_once('/').unwrap();
    (user.to_owned(), host.to_owned())
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
