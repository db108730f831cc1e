//! What a run reads, writes and takes back.

use alloc::string::String;

use super::*;

#[test]
fn what_was_written_since_a_savepoint_can_be_taken_back() {
    let mut driven = Driven::new(|view, _, _| {
        view.require(["a", "b", "c"].map(key))?;
        let read = |view: &mut View, item| view.read::<Number>(&key(item));
        view.put(&key("a"), Number(1))?;
        view.set_savepoint();
        for round in 5..7 {
            view.put(&key("a"), Number(round))?;
            view.put(&key("b"), Number(round))?;
            view.delete(&key("c"))?;
            assert_eq!(read(view, "a")?.unwrap().0, round);
            assert!(read(view, "c")?.is_none());
            view.roll_back();
            assert_eq!(read(view, "a")?.unwrap().0, 1);
            assert!(read(view, "b")?.is_none());
            assert_eq!(read(view, "c")?.unwrap().0, 3);
        }
        Ok(())
    });
    driven.loads(&["a", "b", "c"], &[("c", record(3, 1))]);
    let (store, _) = driven.stores();
    let put = Write::Put(Number(1).encode());
    assert_eq!(
        writes(&store.batch),
        [("a", &put), ("b", &Write::Keep), ("c", &Write::Keep)].into()
    );
}

#[test]
fn what_a_savepoint_keeps_can_be_taken() {
    let mut driven = Driven::new(|view, _, _| {
        view.require([key("a")])?;
        view.put(&key("a"), Number(1))?;
        view.set_savepoint();
        view.put(&key("a"), Number(2))?;
        view.roll_back();
        assert_eq!(view.take(&key("a"))?, Some(Number(1)));
        // Nor does it matter that somebody else has a part in it.
        view.put(&key("a"), Number(3))?;
        let shared = view.read::<Number>(&key("a"))?;
        assert_eq!(view.take(&key("a"))?, Some(Number(3)));
        drop(shared);
        Ok(())
    });
    driven.loads(&["a"], &[]);
    drop(driven.stores());
}

/// Neither the first time, nor after a checkpoint that has written it.
#[test]
fn what_does_not_differ_is_not_written() {
    let mut driven = Driven::new(|view, _, run| {
        view.require([key("a"), key("b")])?;
        view.put_changed(&key("a"), Number(1))?;
        view.put_changed(&key("b"), Number(2))?;
        if run == 1 { Err(Stop::Checkpoint) } else { Ok(()) }
    });
    driven.loads(&["a", "b"], &[("a", record(1, 1)), ("b", record(1, 1))]);
    let (store, reply) = driven.stores();
    assert_eq!(
        writes(&store.batch),
        [("a", &Write::Keep), ("b", &Write::Put(Number(2).encode()))].into()
    );
    driven.answer(reply, Ok(Committed::Applied));
    assert!(driven.end().is_ok());
}

#[test]
fn what_fails_writes_nothing() {
    let mut driven = Driven::<()>::new(|view, _, _| {
        view.require([key("a")])?;
        view.put(&key("a"), Number(1))?;
        Err(Stop::Fail(Error::NotOpened))
    });
    driven.loads(&["a"], &[]);
    assert!(matches!(driven.end(), Err(Error::NotOpened)));
}

/// What it wrote, and relied on, does not count.
#[test]
fn a_run_that_stops_leaves_nothing_behind() {
    let mut driven = Driven::new(|view, _, run| {
        if run < 2 {
            view.require([key("a")])?;
            view.put(&key("a"), Number(1))?;
        }
        view.require([key("b")])
    });
    driven.loads(&["a"], &[]);
    driven.loads(&["b"], &[]);
    let (store, _) = driven.stores();
    assert!(writes(&store.batch).is_empty());
}

#[test]
fn what_is_required_is_loaded_though_nobody_reads_it() {
    let mut driven = Driven::new(|view, _, _| view.require([key("a")]));
    driven.loads(&["a"], &[]);
    assert!(driven.end().is_ok());
}

#[test]
fn what_a_checkpoint_has_committed_is_relied_on() {
    let mut driven = Driven::new(|view, _, run| {
        view.require([key("a"), key("b")])?;
        let before = view.read::<Number>(&key("a"))?.map_or(0, |number| number.0);
        view.put(&key("a"), Number(before + 1))?;
        view.delete(&key("b"))?;
        if run == 1 { Err(Stop::Checkpoint) } else { Ok(()) }
    });
    driven.loads(&["a", "b"], &[("b", record(9, 9))]);
    let (first, reply) = driven.stores();
    assert_eq!(writes(&first.batch)["b"], &Write::Delete);
    driven.answer(reply, Ok(Committed::Applied));
    let (second, _) = driven.stores();
    assert_eq!(
        writes(&second.batch),
        [("a", &Write::Put(Number(2).encode())), ("b", &Write::Keep)].into(),
        "what is not there is not deleted"
    );
    let expected: Vec<_> = second.batch.stakes().map(|(_, stake)| stake.expected).collect();
    assert_eq!(expected, [Some(Revision::from(first.batch.id())), None]);
}

#[test]
fn items_are_those_that_this_run_leaves() {
    let mut driven = Driven::new(|view, _, _| {
        let own = key("a").partition;
        let items = |view: &mut View| {
            let keys = view.items(&own)?.into_iter();
            Ok::<Vec<_>, Stop>(keys.map(|key| String::from(key.item.as_str())).collect())
        };
        assert_eq!(items(view)?, ["a", "b"]);
        view.delete(&key("a"))?;
        view.put(&key("c"), Number(1))?;
        assert_eq!(items(view)?, ["b", "c"]);
        Ok(())
    });
    let Effect::Load(load, reply) = driven.effect() else {
        panic!()
    };
    assert!(load.query.records.is_empty() && load.query.partitions.iter().eq([&key("a").partition]));
    let records = ["a", "b"].map(|item| (key(item), record(1, 1)));
    let snapshot = Snapshot::new(records.into());
    driven.operation.fulfil(reply, Ok(snapshot)).unwrap();
    let (store, _) = driven.stores();
    assert_eq!(writes(&store.batch)["a"], &Write::Delete);
}

/// A record that counts how often it is decoded.
struct Counted;

static DECODED: AtomicU32 = AtomicU32::new(0);

impl Stored for Counted {
    fn decode(_: &[u8]) -> Result<Self, RecordError> {
        DECODED.fetch_add(1, Ordering::Relaxed);
        Ok(Self)
    }

    fn encode(&self) -> Value {
        Vec::from([1]).into()
    }
}

#[test]
fn what_was_decoded_or_written_is_not_decoded_again() {
    let mut driven = Driven::new(|view, _, run| {
        view.require([key("a")])?;
        drop(view.read::<Counted>(&key("a"))?);
        let counted = view.take::<Counted>(&key("a"))?.unwrap();
        view.put(&key("a"), counted)?;
        let counted = view.take::<Counted>(&key("a"))?.unwrap();
        view.put(&key("a"), counted)?;
        if run == 1 { Err(Stop::Checkpoint) } else { Ok(()) }
    });
    driven.loads(&["a"], &[("a", record(1, 1))]);
    let (_, reply) = driven.stores();
    driven.answer(reply, Ok(Committed::Applied));
    drop(driven.stores());
    assert_eq!(DECODED.load(Ordering::Relaxed), 1);
}

/// A record that counts how often it is dropped.
struct Dropped;

static DROPPED: AtomicU32 = AtomicU32::new(0);

impl Drop for Dropped {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

impl Stored for Dropped {
    fn decode(_: &[u8]) -> Result<Self, RecordError> {
        Ok(Self)
    }

    fn encode(&self) -> Value {
        Vec::from([1]).into()
    }
}

#[test]
fn what_was_read_can_be_dropped_once_the_last_batch_is_made() {
    let mut driven = Driven::new(|view, _, _| {
        view.require([key("a")])?;
        drop(view.read::<Dropped>(&key("a"))?);
        view.put(&key("b"), Number(1))
    });
    driven.loads(&["a"], &[("a", record(1, 1))]);
    drop(driven.operation.take_leftovers());
    driven.loads(&["b"], &[]);
    let (_, reply) = driven.stores();
    assert_eq!(DROPPED.load(Ordering::Relaxed), 0);
    drop(driven.operation.take_leftovers());
    assert_eq!(DROPPED.load(Ordering::Relaxed), 1);
    driven.answer(reply, Ok(Committed::Applied));
    assert!(driven.end().is_ok());
}
