//! Operations whose functions are made for the test, driven by hand.

mod committing;
mod records;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use std::format;

use omemo_storage::{
    Batch, CommitId, Committed, ErrorKind, Key, Record, Revision, Snapshot, StorageError, Value, Write,
};

use super::{DownloadBundle, Effect, Env, MAX_ATTEMPTS, Operation, Reply, Step, Stop, Store, View};
use crate::keys::testing::TestRng;
use crate::records::Stored;
use crate::{BareJid, DeviceId, Error, Namespace, RecordError, Timestamp};

/// A record like any.
#[derive(Debug, PartialEq, Eq)]
struct Number(u8);

impl Stored for Number {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        match bytes {
            [1, number] => Ok(Self(*number)),
            _ => Err(RecordError::Truncated),
        }
    }

    fn encode(&self) -> Value {
        Vec::from([1, self.0]).into()
    }
}

fn key(item: &str) -> Key {
    Key::new("own", item).unwrap()
}

/// How often a function ran.
#[derive(Clone, Default)]
struct Runs(Arc<AtomicU32>);

impl Runs {
    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// An operation, and randomness for it.
struct Driven<T> {
    operation: Operation<T>,
    rng: TestRng,
    runs: Runs,
}

impl<T> Driven<T> {
    fn new(
        mut function: impl FnMut(&mut View, &mut Env<'_>, u32) -> Result<T, Stop> + Send + 'static,
    ) -> Self {
        let runs = Runs::default();
        let counted = runs.clone();
        let operation = Operation::new(move |view, env| {
            let run = counted.0.fetch_add(1, Ordering::Relaxed);
            function(view, env, run)
        });
        Self {
            operation,
            rng: TestRng::new(1),
            runs,
        }
    }

    fn advance(&mut self) -> Step<T> {
        self.operation.advance(Timestamp::from_unix(1), &mut self.rng)
    }

    /// The only effect of the next step.
    fn effect(&mut self) -> Effect {
        let Step::Perform(effects) = self.advance() else {
            panic!("it has ended")
        };
        let [effect] = <[_; 1]>::try_from(effects).unwrap();
        effect
    }

    /// The next step loads exactly these; the storage has what `stored` says.
    fn loads(&mut self, items: &[&str], stored: &[(&str, Record)]) {
        let Effect::Load(load, reply) = self.effect() else {
            panic!("it does not load")
        };
        assert!(
            load.query
                .records
                .iter()
                .eq(&items.iter().map(|item| key(item)).collect::<Vec<_>>())
        );
        let records = stored.iter().map(|(item, record)| (key(item), copy(record)));
        let snapshot = Snapshot::new(records.collect());
        self.operation.fulfil(reply, Ok(snapshot)).unwrap();
    }

    /// The next step commits.
    fn stores(&mut self) -> (Store, Reply<Store>) {
        match self.effect() {
            Effect::Store(store, reply) => (store, reply),
            _ => panic!("it does not commit"),
        }
    }

    fn answer(&mut self, reply: Reply<Store>, outcome: Result<Committed, StorageError>) {
        self.operation.fulfil(reply, outcome).unwrap();
    }

    fn end(&mut self) -> Result<T, Error> {
        match self.advance() {
            Step::Done(result) => result,
            Step::Perform(_) => panic!("it goes on"),
        }
    }
}

fn copy(record: &Record) -> Record {
    Record {
        revision: record.revision,
        value: record.value.clone(),
    }
}

fn record(number: u8, revision: u8) -> Record {
    Record {
        revision: Revision::from(CommitId::from_bytes([revision; 16])),
        value: Number(number).encode(),
    }
}

/// What was committed, by item.
fn writes(batch: &Batch) -> BTreeMap<&str, &Write> {
    let stakes = batch.stakes();
    stakes
        .map(|(key, stake)| (key.item.as_str(), &stake.write))
        .collect()
}

fn unknown() -> StorageError {
    StorageError::new(ErrorKind::OutcomeUnknown, "the answer was lost")
}

/// Reads `a`, writes `b`.
fn writer() -> Driven<u32> {
    Driven::new(|view, _, run| {
        view.require([key("a"), key("b")])?;
        let before = view.read::<Number>(&key("a"))?.map_or(0, |number| number.0);
        view.put(&key("b"), Number(before + 1))?;
        Ok(run)
    })
}
