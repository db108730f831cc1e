//! Disks that are full and are made room on again, while clients work, and one that nothing may be written on: small file
//! systems in memory, for which the tests have to be root.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use omemo::blocking::wait;
use omemo_storage::ErrorKind;
use omemo_storage_sqlite::SqliteStorage;
use tempfile::TempDir;

use super::failovers::{PRIMARY, name};
use super::stage::Stage;
use super::work::meanwhile;
use crate::places::redis::cluster::Cluster;
use crate::places::{Place, Wrapping, on_tokio, postgres, redis};

/// How often each disk is full, and how many calls must fail each time.
const TIMES: usize = 4;
const FAILURES: usize = 5;
/// A primary of a Cluster that is started again takes no writes for two seconds.
const TIMES_OF_CLUSTER: usize = 2;

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

    /// From now on it can only be read. No file on it may be open for writing.
    fn forbid_writing(&self) {
        let remounted = Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(self.path())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&remounted.stderr);
        assert!(remounted.status.success(), "{}", error.trim());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

fn stages(place: &Place) -> [Stage; 2] {
    [Wrapping::Plain, Wrapping::Sealed].map(|wrapping| Stage::new(place.clone(), wrapping, None))
}

/// Fills the disk over and over. `mend` starts again what did not bear it, once there is room.
fn storm(name: &str, disk: &Disk, stages: &[Stage; 2], times: usize, mut mend: impl FnMut()) {
    meanwhile(&[&stages[0], &stages[1]], |work| {
        for _ in 0..times {
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
    for stage in stages {
        stage.end(&format!("full disks, {name}: {times} times full"));
    }
}

/// SQLite tells a disk that is full from everything else.
#[test]
fn of_sqlite() {
    let disk = Disk::mount(16);
    let file = disk.path().join("omemo.db").to_str().unwrap().to_owned();
    let stages = stages(&Place::Sqlite(file));
    storm("SQLite", &disk, &stages, TIMES, || {});
    for stage in stages {
        assert!(stage.troubles.full() > 0, "none said so: {}", stage.troubles);
    }
}

/// Neither a new database can be opened there nor one that was in use before, which is to be marked. That is for the
/// application to set right, not to be tried again.
#[test]
fn sqlite_says_where_nothing_may_be_written() {
    let disk = Disk::mount(16);
    let [used, new] = ["used.db", "new.db"].map(|name| disk.path().join(name));
    let storage = wait(SqliteStorage::open(&used)).unwrap();
    wait(storage.close());
    disk.forbid_writing();
    for file in [used, new] {
        let refused = wait(SqliteStorage::open(&file)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misconfigured, "{refused:?}");
        assert!(refused.to_string().contains("read-only"), "{refused}");
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
    let stages = stages(&Place::Postgres(server.url()));
    storm("PostgreSQL", &disk, &stages, TIMES, || {
        on_tokio(server.revive_if_dead());
    });
}

/// With `appendfsync always`, Redis ends when it cannot write.
#[test]
fn of_redis() {
    let disk = Disk::mount(16);
    let mut server = redis::server::Server::durable_in(disk.path());
    let stages = stages(&Place::Redis(server.url()));
    storm("Redis", &disk, &stages, TIMES, || {
        server.kill();
        server.restart();
    });
}

/// The primary that has the accounts ends as a single server does; nobody takes over.
#[test]
fn of_redis_cluster() {
    let disk = Disk::mount(16);
    let mut cluster = Cluster::start_in(disk.path(), 3, false);
    let stages = [Wrapping::Plain, Wrapping::Sealed].map(|wrapping| {
        let name = name(&cluster, wrapping as usize);
        Stage::new(Place::Redis(cluster.url()), wrapping, Some(&name))
    });
    storm("Redis Cluster", &disk, &stages, TIMES_OF_CLUSTER, || {
        cluster.nodes[PRIMARY].kill();
        cluster.nodes[PRIMARY].restart();
    });
}
