//! What a message takes.

use std::rc::Rc;

use omemo_storage::{Counts, Storage};

use super::bare::{Bare, Floor};
use super::sender::{Row, Sender};
use crate::measure::{Detail, Failure, Item, Work};

/// How large the encrypted envelopes are.
pub(super) const PLAINTEXT: usize = 100;

const ROUNDS: usize = 600;

/// How many messages are watched, once before and once after those that are timed.
const WATCHED: usize = 50;

/// A message to so many devices, against the call that writes the same rows.
pub(super) fn send<S: Storage + 'static>(
    name: &'static str,
    bar: f64,
    devices: usize,
    sender: &Rc<Sender<S>>,
    bare: impl Bare + 'static,
) -> Result<Item, Failure> {
    let (rows, counts) = sender.rows_of_a_message(devices, PLAINTEXT)?;
    let item = against_bare(name, bar, devices, sender, (bare, rows))?;
    Ok(item.with_counts(costs(counts)))
}

/// The same, without the counts of one message.
pub(super) fn against_bare<S: Storage + 'static>(
    name: &'static str,
    bar: f64,
    devices: usize,
    sender: &Rc<Sender<S>>,
    (bare, rows): (impl Bare + 'static, Vec<Row>),
) -> Result<Item, Failure> {
    let mut floor = Floor::new(bare, &sender.all_rows()?, rows)?;
    let floor = Work::timed_elsewhere(move || floor.measure());
    let item = Item::new(name, bar, message(sender, devices), floor);
    Ok(item.rounds(ROUNDS).checked(details(sender, devices)))
}

/// A message on one storage, against the same on another.
pub(super) fn compare<A: Storage + 'static, B: Storage + 'static>(
    name: &'static str,
    bar: f64,
    devices: usize,
    (ours, floor): (&Rc<Sender<A>>, &Rc<Sender<B>>),
) -> Result<Item, Failure> {
    let (_, counts) = ours.rows_of_a_message(devices, PLAINTEXT)?;
    let item = Item::new(name, bar, message(ours, devices), message(floor, devices));
    let item = item.rounds(ROUNDS).with_counts(costs(counts));
    Ok(item.checked(details(ours, devices)))
}

/// What one message cost.
pub(super) fn costs(counts: Counts) -> Vec<Detail> {
    vec![
        ("loads", counts.loads),
        ("commits", counts.commits),
        ("records_written", counts.records_written),
        ("bytes_written", counts.bytes_written),
    ]
}

fn message<S: Storage + 'static>(sender: &Rc<Sender<S>>, devices: usize) -> Work {
    let (preparing, sending) = (Rc::clone(sender), Rc::clone(sender));
    Work::new(
        1,
        move || Ok(Some(preparing.request(devices, PLAINTEXT))),
        move |request| sending.encrypt(request.take().ok_or("no request")?),
    )
}

/// Where the time of a message goes: that of others than were timed, since looking at it takes time.
fn details<S: Storage + 'static>(
    sender: &Rc<Sender<S>>,
    devices: usize,
) -> impl Fn() -> Result<Vec<Detail>, Failure> + 'static {
    let sender = Rc::clone(sender);
    move || {
        let seen = sender.watch(WATCHED, devices, PLAINTEXT)?;
        Ok(vec![
            ("load_ns", seen.load_ns),
            ("commit_ns", seen.commit_ns),
            ("records_loaded", seen.records_loaded),
            ("bytes_loaded", seen.bytes_loaded),
        ])
    }
}
