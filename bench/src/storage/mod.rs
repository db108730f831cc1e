//! Messages that are on the disk before they are handed out.

mod environment;
mod python;
mod sender;
mod upsert;
mod watched;

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;

use tempfile::TempDir;

use crate::measure::{Detail, Failure, Item, Work};
use python::{PythonOmemo, Write};
use sender::Sender;
use upsert::Upsert;

/// A message to one device and to as many more: its name, how many, how many of them belong to one contact, the bar.
const SIZES: [(&str, usize, usize, f64); 4] = [
    ("send_1", 1, 1, BAR_FEW),
    ("send_10", 10, 1, BAR_FEW),
    ("send_100", 100, 1, BAR_MANY),
    ("send_100_of_25", 100, 4, BAR_MANY),
];

/// The names of the items.
pub(crate) const NAMES: &[&str] = &["send_1", "send_10", "send_100", "send_100_of_25"];

/// To a few devices: a load and the guards of a commit beside the bare write; neither waits for the disk.
const BAR_FEW: f64 = 2.0;

/// To many, the ratchets and the loaded rows count too.
const BAR_MANY: f64 = 2.5;

/// python-omemo commits each value for itself, some thousand times as often.
const BAR_PYTHON: f64 = 100.0;

/// The item that is missing where python-omemo cannot be run.
const PYTHON: &str = "python_omemo_100";

/// How large the encrypted envelopes are.
const PLAINTEXT: usize = 100;

const ROUNDS: usize = 600;

/// python-omemo is too slow for every round.
const PYTHON_EVERY: usize = 30;

/// Slower still where each write is one: once in so many of its turns.
const REPLACE_EVERY: u32 = 5;

/// What could not be measured: its name, and why.
pub(crate) type Lacking = Option<(&'static str, Failure)>;

/// The items that are wanted. Everything is prepared, off the clock.
pub(crate) fn items(wanted: &dyn Fn(&str) -> bool, python: bool) -> Result<(Vec<Item>, Lacking), Failure> {
    let directory = directory()?;
    let databases = Rc::new(TempDir::with_prefix_in("databases-", &directory)?);
    let open = |each: usize| -> Result<_, Failure> {
        let file = databases.path().join(format!("devices_of_{each}.db"));
        Ok(Rc::new(Sender::open(&file, 100 / each, each)?))
    };
    let (single, grouped) = (open(1)?, open(4)?);
    let mut items = Vec::new();
    let mut lacking = None;
    for (name, devices, each, bar) in SIZES {
        if !wanted(name) {
            continue;
        }
        let sender = if each == 1 { &single } else { &grouped };
        let item = send(name, bar, devices, sender, &databases)?;
        items.push(if devices == 100 && each == 1 && python {
            match PythonOmemo::start(&directory, databases.path(), devices, PLAINTEXT) {
                Ok(peer) => beside(item, peer)?,
                Err(failure) => {
                    lacking = Some((PYTHON, failure));
                    item
                }
            }
        } else {
            item
        });
    }
    Ok((items, lacking))
}

/// A message to so many devices, against the statement that writes the same rows.
fn send(
    name: &'static str,
    bar: f64,
    devices: usize,
    sender: &Rc<Sender>,
    databases: &Rc<TempDir>,
) -> Result<Item, Failure> {
    let (rows, counts) = sender.rows_of_a_message(devices, PLAINTEXT)?;
    let path = databases.path().join(format!("{name}.db"));
    let mut upsert = Upsert::open(&path, &sender.all_rows()?, rows)?;
    let databases = Rc::clone(databases);
    let floor = Work::timed_elsewhere(move || {
        // Holds the directory as long as the connection.
        let _ = &databases;
        upsert.measure()
    });
    Ok(Item::new(name, bar, message(sender, devices), floor)
        .rounds(ROUNDS)
        .with_counts(vec![
            ("loads", counts.loads),
            ("commits", counts.commits),
            ("records_written", counts.records_written),
            ("bytes_written", counts.bytes_written),
        ])
        .with_details(details(sender)))
}

fn message(sender: &Rc<Sender>, devices: usize) -> Work {
    let (preparing, sending) = (Rc::clone(sender), Rc::clone(sender));
    Work::new(
        1,
        move || Ok(Some(preparing.request(devices, PLAINTEXT))),
        move |request| sending.encrypt(request.take().ok_or("no request")?),
    )
}

/// Where the time of the messages went that were sent since this was asked for the last time.
fn details(sender: &Rc<Sender>) -> impl Fn() -> Vec<Detail> + 'static {
    let sender = Rc::clone(sender);
    move || {
        let seen = sender.seen();
        vec![
            ("load_ns", seen.load_ns),
            ("commit_ns", seen.commit_ns),
            ("records_loaded", seen.records_loaded),
            ("bytes_loaded", seen.bytes_loaded),
        ]
    }
}

/// Beside the kinder statement that has the bar, now and then the other.
fn beside(item: Item, mut peer: PythonOmemo) -> Result<Item, Failure> {
    let commits = peer.message(Write::Upsert)?.commits;
    let least_replacing = Rc::new(Cell::new(u64::MAX));
    let (least, mut turn) = (Rc::clone(&least_replacing), 0_u32);
    let work = Work::timed_elsewhere(move || {
        if turn.is_multiple_of(REPLACE_EVERY) {
            least.set(least.get().min(peer.message(Write::Replace)?.ns));
        }
        turn += 1;
        Ok(peer.message(Write::Upsert)?.ns as f64)
    });
    Ok(item
        .with_peer(BAR_PYTHON, work)
        .peer_every(PYTHON_EVERY)
        .with_counts(vec![("peer_commits", commits)])
        .with_details(move || vec![("peer_replacing_ns", least_replacing.get())]))
}

/// Where databases and the environment of Python go: beside what cargo builds, which is on a disk. Elsewhere a temporary
/// directory may be in memory, and a commit to it costs nothing.
fn directory() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .nth(2)
        .ok_or("this program lies in no target directory")?;
    let directory = target.join("omemo-bench");
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}
