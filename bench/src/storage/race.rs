//! Two who write the same records in turn, so that what they take can be compared.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use omemo_storage::blocking::wait;
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Query, Revision, Storage, Value};

use super::bare::Bare;
use super::{COMMITS, Wanted};
use crate::measure::{Failure, Item, Work};
use crate::servers::random;

/// How many records each has: contacts with one session.
const RECORDS: usize = 10_000;

/// How many bytes a record has, which is what a session has.
const BYTES: usize = 350;

/// How many records are written at once before anything is timed.
const CHUNK: usize = 1_000;

/// From one record of a round to the next: not neighbours, and never the same twice.
const STRIDE: usize = 61;

const ROUNDS: usize = 300;

/// One of the two.
pub(crate) trait Side {
    /// Replaces records with values of those bytes, in one call; how many nanoseconds that took.
    fn write(&mut self, records: &[usize], value: &[u8]) -> Result<f64, Failure>;

    /// Tidies up after all records were written for the first time.
    fn settle(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// The records: each in a partition of its own, as the sessions with the contacts that a message goes to.
fn keys() -> Result<Vec<Key>, Failure> {
    let key = |number| {
        Key::new(
            &format!("contact/contact{number}@capulet.lit"),
            "session/urn:xmpp:omemo:2/1234567890",
        )
    };
    Ok((0..RECORDS).map(key).collect::<Result<_, _>>()?)
}

/// The barest call.
pub(crate) struct Unguarded {
    bare: Box<dyn Bare>,
    keys: Vec<Key>,
}

impl Unguarded {
    pub(crate) fn new(bare: impl Bare + 'static) -> Result<Self, Failure> {
        let bare = Box::new(bare);
        Ok(Self { bare, keys: keys()? })
    }
}

impl Side for Unguarded {
    fn write(&mut self, records: &[usize], value: &[u8]) -> Result<f64, Failure> {
        let keys: Vec<&Key> = records
            .iter()
            .filter_map(|record| self.keys.get(*record))
            .collect();
        let values = vec![value; keys.len()];
        self.bare.write(&keys, &values, &random()?)
    }

    fn settle(&mut self) -> Result<(), Failure> {
        self.bare.settle()
    }
}

/// A storage, whose commits expect what is there.
pub(crate) struct Guarded<S> {
    storage: S,
    account: AccountId,
    records: Vec<(Key, Option<Revision>)>,
}

impl<S: Storage> Guarded<S> {
    pub(crate) fn new(storage: S) -> Result<Self, Failure> {
        let records = keys()?.into_iter().map(|key| (key, None));
        Ok(Self {
            storage,
            account: AccountId::new("romeo@montague.lit")?,
            records: records.collect(),
        })
    }

    /// Loads the partitions of records whole, as a message does; how many nanoseconds that took.
    fn load(&mut self, records: &[usize]) -> Result<f64, Failure> {
        let mut query = Query::new();
        let keys = records.iter().filter_map(|record| self.records.get(*record));
        query
            .partitions
            .extend(keys.map(|(key, _)| key.partition.clone()));
        let begun = Instant::now();
        let snapshot = wait(self.storage.load(&self.account, &query))?;
        let ns = begun.elapsed().as_secs_f64() * 1e9;
        if snapshot.records.len() == records.len() {
            Ok(ns)
        } else {
            Err("a load lacks records".into())
        }
    }
}

impl<S: Storage> Side for Guarded<S> {
    fn write(&mut self, records: &[usize], value: &[u8]) -> Result<f64, Failure> {
        let id = CommitId::from_bytes(random()?);
        let mut batch = Batch::new(id);
        for record in records {
            if let Some((key, revision)) = self.records.get_mut(*record) {
                batch.put(
                    key.clone(),
                    revision.replace(id.into()),
                    Value::from(value.to_vec()),
                );
            }
        }
        let begun = Instant::now();
        let committed = wait(self.storage.commit(&self.account, &batch))?;
        let ns = begun.elapsed().as_secs_f64() * 1e9;
        match committed {
            Committed::Applied => Ok(ns),
            Committed::Conflict => Err("a commit is in conflict, though nobody else writes".into()),
        }
    }
}

/// The two, and which records they write in this round.
struct Pair<A, B> {
    ours: A,
    floor: B,
    records: Vec<usize>,
    value: Vec<u8>,
}

impl<A, B> Pair<A, B> {
    /// Chooses other records and another value.
    fn go_on(&mut self, count: usize) -> Result<(), Failure> {
        let first = u32::from_be_bytes(random()?) as usize;
        self.records = (0..count).map(|n| (first + n * STRIDE) % RECORDS).collect();
        let [byte] = random()?;
        self.value = vec![byte; BYTES];
        Ok(())
    }
}

/// The two, as several items measure them.
pub(crate) struct Race<A, B>(Rc<RefCell<Pair<A, B>>>);

impl<A: Side + 'static, B: Side + 'static> Race<A, B> {
    /// Writes all records once.
    pub(crate) fn new(mut ours: A, mut floor: B) -> Result<Self, Failure> {
        let all: Vec<usize> = (0..RECORDS).collect();
        for records in all.chunks(CHUNK) {
            ours.write(records, &[0; BYTES])?;
            floor.write(records, &[0; BYTES])?;
        }
        ours.settle()?;
        floor.settle()?;
        Ok(Self(Rc::new(RefCell::new(Pair {
            ours,
            floor,
            records: Vec::new(),
            value: Vec::new(),
        }))))
    }

    /// A commit of so many records, against the other's.
    pub(crate) fn commit(&self, name: &'static str, bar: f64, count: usize) -> Item {
        let (ours, floor) = (Rc::clone(&self.0), Rc::clone(&self.0));
        let ours = Work::timed_elsewhere(move || {
            let pair = &mut *ours.borrow_mut();
            pair.go_on(count)?;
            pair.ours.write(&pair.records, &pair.value)
        });
        let floor = Work::timed_elsewhere(move || {
            let pair = &mut *floor.borrow_mut();
            pair.floor.write(&pair.records, &pair.value)
        });
        item(name, bar, (ours, floor), ("records_written", count))
    }

    /// A commit of each number of records that has a bar, if it is wanted.
    pub(crate) fn commits(&self, wanted: &Wanted<'_>, names: &[&'static str; COMMITS.len()]) -> Vec<Item> {
        let commits = names.iter().zip(COMMITS);
        commits
            .filter(|(name, _)| (wanted.item)(name))
            .map(|(name, (count, bar))| self.commit(name, bar, count))
            .collect()
    }
}

impl<A: Storage + 'static, B: Storage + 'static> Race<Guarded<A>, Guarded<B>> {
    /// A load of so many partitions, against the other's.
    pub(crate) fn load(&self, name: &'static str, bar: f64, count: usize) -> Item {
        let (ours, floor) = (Rc::clone(&self.0), Rc::clone(&self.0));
        let ours = Work::timed_elsewhere(move || {
            let pair = &mut *ours.borrow_mut();
            pair.go_on(count)?;
            pair.ours.load(&pair.records)
        });
        let floor = Work::timed_elsewhere(move || {
            let pair = &mut *floor.borrow_mut();
            pair.floor.load(&pair.records)
        });
        item(name, bar, (ours, floor), ("records_loaded", count))
    }
}

fn item(
    name: &'static str,
    bar: f64,
    (ours, floor): (Work, Work),
    (what, count): (&'static str, usize),
) -> Item {
    let shape = vec![(what, count as u64), ("value_bytes", BYTES as u64)];
    Item::new(name, bar, ours, floor)
        .rounds(ROUNDS)
        .with_counts(shape)
}
