//! The protocol bears a fault at each of its effects on this storage.
#![allow(missing_docs, clippy::unwrap_used)]

use omemo_conformance::faults;
use omemo_storage::blocking::wait;
use omemo_storage_sqlite::SqliteStorage;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

#[test]
fn every_effect_may_go_wrong() {
    let directory = tempfile::tempdir().unwrap();
    // What sqlx asks for when an application makes its own pool.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let tried = faults::at_every_effect(|run, device| {
        let _entered = runtime.enter();
        let name = format!("{run}-{}.sqlite", device.replace([' ', '\''], "-"));
        // The process dies here, never the machine: nothing has to reach the disk, and the test takes a tenth of the time.
        let options = SqliteConnectOptions::new()
            .filename(directory.path().join(name))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Off);
        let pool = SqlitePoolOptions::new().max_connections(1).test_before_acquire(false).connect_lazy_with(options);
        wait(SqliteStorage::from_volatile_pool(pool)).unwrap()
    });
    println!("{tried:?}");
    assert!(tried.effects > 250 && tried.commits > 80, "{tried:?}");
}
