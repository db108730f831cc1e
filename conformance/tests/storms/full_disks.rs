//! Disks that are full and are made room on again, while clients work: small file systems in memory, for which the tests
//! have to be root.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::stage::Stage;
use super::work::meanwhile;
use crate::places::{Place, Wrapping, on_tokio, postgres, redis};

/// How often each disk is full, and how many calls must fail each time.
const TIMES: usize = 4;
const FAILURES: usize = 5;

/// A file system in memory, gone at the end.
struct Disk(TempDir);

impl Disk {
    fn mount(mebibytes: u32) -> Self {
        let folder = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={mebibytes}m,mode=755"),
                "omemo-test",
            ])
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(
            mounted.status.success(),
            "this test mounts a small file system, which takes root ({}): run it as root, in a container, or by \
             `unshare --mount --map-root-user`; `./test --without-mounts` leaves it out and says so",
            String::from_utf8_lossy(&mounted.stderr).trim()
        );
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut filler = File::create(self.path().join("filler")).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// Fills the disk over and over. `mend` starts again what did not bear it, once there is room.
fn storm(name: &str, disk: &Disk, place: &Place, mut mend: impl FnMut()) -> [Stage; 2] {
    let stages =
        [Wrapping::Plain, Wrapping::Sealed].map(|wrapping| Stage::new(place.clone(), wrapping, None));
    meanwhile(&[&stages[0], &stages[1]], |work| {
        for _ in 0..TIMES {
            work.go_on();
            let before = stages.each_ref().map(|stage| stage.troubles.failures());
            disk.fill();
            work.until("the disk is found to be full", || {
                let mut stages = stages.iter().zip(before);
                stages.all(|(stage, before)| stage.troubles.failures() >= before + FAILURES)
            });
            disk.make_room();
            mend();
        }
    });
    for stage in &stages {
        stage.end(&format!("full disks, {name}: {TIMES} times full"));
    }
    stages
}

/// SQLite tells a disk that is full from everything else.
#[test]
fn of_sqlite() {
    let disk = Disk::mount(16);
    let file = disk.path().join("omemo.db").to_str().unwrap().to_owned();
    for stage in storm("SQLite", &disk, &Place::Sqlite(file), || {}) {
        assert!(stage.troubles.full() > 0, "none said so: {}", stage.troubles);
    }
}

#[test]
fn of_postgres() {
    let disk = Disk::mount(160);
    let settings = [
        "min_wal_size=32MB",
        "max_wal_size=48MB",
        "wal_recycle=off",
        "checkpoint_timeout=30s",
    ];
    let server = on_tokio(postgres::server::Server::start_in(disk.path(), &settings));
    storm("PostgreSQL", &disk, &Place::Postgres(server.url()), || {
        on_tokio(server.revive_if_dead());
    });
}

/// With `appendfsync always`, Redis ends when it cannot write.
#[test]
fn of_redis() {
    let disk = Disk::mount(16);
    let mut server = redis::server::Server::durable_in(disk.path());
    let place = Place::Redis(server.url());
    storm("Redis", &disk, &place, || {
        server.kill();
        server.restart();
    });
}
