//! SQLite, in this process.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use omemo_storage::blocking::wait;
use omemo_storage::{Cached, Metered};
use omemo_storage_sqlite::SqliteStorage;
use tempfile::TempDir;

use super::bare::SqliteUpsert;
use super::message::{PLAINTEXT, against_bare, costs, send};
use super::python::{PythonOmemo, Write};
use super::race::{Guarded, Race, Unguarded};
use super::sender::Sender;
use super::{BAR_MANY, COMMITS, Group, MANY, Prepared, Wanted};
use crate::measure::{Failure, Item, Work};
use crate::servers::directory;

pub(super) const SENDS: Group = Group {
    names: &["send_1", "send_10", "send_100", "send_100_of_25"],
    prepare: sends,
};

const COMMIT_NAMES: [&str; COMMITS.len()] = [
    "sqlite_commit_1",
    "sqlite_commit_10",
    "sqlite_commit_100",
    "sqlite_commit_1000",
];

pub(super) const COMMITS_ALONE: Group = Group {
    names: &COMMIT_NAMES,
    prepare: commits,
};

pub(super) const CACHED: Group = Group {
    names: &["cached_send_100"],
    prepare: cached,
};

/// A message to one device and to as many more: its name, how many, how many of them belong to one contact, the bar.
const SIZES: [(&str, usize, usize, f64); 4] = [
    ("send_1", 1, 1, BAR_FEW),
    ("send_10", 10, 1, BAR_FEW),
    ("send_100", 100, 1, BAR_MANY),
    ("send_100_of_25", 100, 4, BAR_MANY),
];

/// To a few devices: a load and the guards of a commit beside the bare write; neither waits for the disk.
const BAR_FEW: f64 = 2.0;

/// python-omemo commits each value for itself, some thousand times as often.
const BAR_PYTHON: f64 = 100.0;

/// The item that is missing where python-omemo cannot be run.
const PYTHON: &str = "python_omemo_100";

/// python-omemo is too slow for every round.
const PYTHON_EVERY: usize = 30;

/// A folder for databases, removed at the end.
pub(super) fn databases() -> Result<Rc<TempDir>, Failure> {
    Ok(Rc::new(TempDir::with_prefix_in("databases-", directory()?)?))
}

pub(super) fn open(databases: &TempDir, name: &str) -> Result<SqliteStorage, Failure> {
    Ok(wait(SqliteStorage::open(databases.path().join(name)))?)
}

fn sends(wanted: &Wanted<'_>) -> Result<Prepared, Failure> {
    let databases = databases()?;
    let sender = |each: usize| -> Result<_, Failure> {
        let storage = open(&databases, &format!("devices_of_{each}.db"))?;
        Ok(Rc::new(Sender::open(storage, MANY / each, each)?))
    };
    let (single, grouped) = (sender(1)?, sender(4)?);
    let mut prepared = Prepared::default();
    for (name, devices, each, bar) in SIZES {
        if !(wanted.item)(name) {
            continue;
        }
        let sender = if each == 1 { &single } else { &grouped };
        let upsert = SqliteUpsert::open(&databases.path().join(format!("{name}.db")))?;
        let item = send(name, bar, devices, sender, upsert)?.keeping(&databases);
        if devices == MANY && each == 1 && wanted.python {
            match python(databases.path(), devices) {
                Ok(peer) => prepared.items.push(beside(item, peer)?),
                Err(failure) => {
                    prepared.lacking.push((PYTHON, failure.to_string()));
                    prepared.items.push(item);
                }
            }
        } else {
            prepared.items.push(item);
        }
    }
    Ok(prepared)
}

fn python(databases: &Path, devices: usize) -> Result<PythonOmemo, Failure> {
    PythonOmemo::start(&directory()?, databases, devices, PLAINTEXT)
}

/// The bar is for one commit a write, as the word is understood: each is on the disk before the next. Beside it, what the
/// same takes with the kinder statement, most of whose commits are none.
fn beside(item: Item, mut peer: PythonOmemo) -> Result<Item, Failure> {
    let commits = peer.message(Write::Replace)?.commits;
    let least_upserting = Rc::new(Cell::new(u64::MAX));
    let least = Rc::clone(&least_upserting);
    let work = Work::timed_elsewhere(move || {
        least.set(least.get().min(peer.message(Write::Upsert)?.ns));
        Ok(peer.message(Write::Replace)?.ns as f64)
    });
    Ok(item
        .with_peer(BAR_PYTHON, work)
        .peer_every(PYTHON_EVERY)
        .with_counts(vec![("peer_commits", commits)])
        .with_details(move || vec![("peer_upserting_ns", least_upserting.get())]))
}

fn commits(wanted: &Wanted<'_>) -> Result<Prepared, Failure> {
    let databases = databases()?;
    let ours = Guarded::new(open(&databases, "commits.db")?)?;
    let upsert = SqliteUpsert::open(&databases.path().join("bare.db"))?;
    let race = Race::new(ours, Unguarded::new(upsert)?)?;
    let items = race.commits(wanted, &COMMIT_NAMES).into_iter();
    Ok(Prepared::of(items.map(|item| item.keeping(&databases))))
}

/// Counts what reaches the storage below the cache, which must be no load.
fn cached(_: &Wanted<'_>) -> Result<Prepared, Failure> {
    let databases = databases()?;
    let storage = Cached::new(Metered::new(open(&databases, "cached.db")?));
    let sender = Rc::new(Sender::open(storage, MANY, 1)?);
    let upsert = SqliteUpsert::open(&databases.path().join("bare.db"))?;
    // What the answers of the contacts have changed is loaded by the first message after them.
    sender.encrypt(sender.request(MANY, PLAINTEXT))?.complete()?;
    sender.storage().inner().take();
    let (rows, _) = sender.rows_of_a_message(MANY, PLAINTEXT)?;
    let counts = sender.storage().inner().take();
    let item = against_bare("cached_send_100", BAR_MANY, MANY, &sender, (upsert, rows))?;
    let item = item.with_counts(costs(counts)).keeping(&databases);
    Ok(Prepared::of([item.checked(move || {
        match counts.loads + sender.storage().inner().take().loads {
            0 => Ok(Vec::new()),
            loads => Err(format!("messages loaded {loads} times in spite of the cache").into()),
        }
    })]))
}
