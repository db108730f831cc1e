//! The stored part of a view: what was loaded, what a run relied on there, and what it writes.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::sync::Arc;
use core::any::Any;

use omemo_storage::{Batch, CommitId, Key, Name, Query, Record, Revision, Snapshot, Stake, Value, Write};

use super::Stop;
use crate::Error;
use crate::records::Stored;

/// A decoded record of any type.
trait AnyRecord: Any + Send + Sync {
    fn encode(&self) -> Value;
}

impl<T: Stored> AnyRecord for T {
    fn encode(&self) -> Value {
        Stored::encode(self)
    }
}

fn downcast<T: Stored>(record: Arc<dyn AnyRecord>) -> Result<Arc<T>, Stop> {
    let record: Arc<dyn Any + Send + Sync> = record;
    record
        .downcast()
        .map_err(|_| Error::Internal("a record was asked for as another type").into())
}

/// What is known of one record.
#[derive(Default)]
struct Slot {
    revision: Option<Revision>,
    /// The bytes as stored; kept until the end, so that a run can begin again from them.
    raw: Option<Value>,
    /// The record decoded from `raw`, kept across runs.
    decoded: Option<Arc<dyn AnyRecord>>,
    relied_on: bool,
    written: Option<Written>,
}

impl Slot {
    fn new(record: Record) -> Self {
        Self {
            revision: Some(record.revision),
            raw: Some(record.value),
            ..Self::default()
        }
    }

    /// What the run relied on here, and what it writes.
    fn stake(&self) -> Stake {
        let write = match &self.written {
            None => Write::Keep,
            Some(Written::Delete) if self.revision.is_none() => Write::Keep,
            Some(Written::Delete) => Write::Delete,
            Some(Written::Put(record)) => Write::Put(record.encode()),
            Some(Written::PutChanged(record)) => match record.encode() {
                value if self.raw.as_ref() == Some(&value) => Write::Keep,
                value => Write::Put(value),
            },
        };
        Stake {
            expected: self.revision,
            write,
        }
    }
}

enum Written {
    Put(Arc<dyn AnyRecord>),
    /// Written only if its bytes differ from those that are stored; relied on otherwise.
    PutChanged(Arc<dyn AnyRecord>),
    Delete,
}

impl Written {
    fn record(&self) -> Option<&Arc<dyn AnyRecord>> {
        match self {
            Self::Put(record) | Self::PutChanged(record) => Some(record),
            Self::Delete => None,
        }
    }

    fn into_record(self) -> Option<Arc<dyn AnyRecord>> {
        match self {
            Self::Put(record) | Self::PutChanged(record) => Some(record),
            Self::Delete => None,
        }
    }
}

/// The records of one account as an operation sees them.
#[derive(Default)]
pub(super) struct StoredView {
    slots: BTreeMap<Key, Slot>,
    partitions: BTreeSet<Name>,
    /// From how many loads the slots come. One load is one consistent snapshot.
    loads: u32,
    /// Whether any of them was answered from a cache, which may be behind the storage.
    from_cache: bool,
    needs: Query,
}

impl StoredView {
    /// Forgets what the last run read, wrote and lacked, but not what was loaded.
    pub(super) fn begin_run(&mut self) {
        for slot in self.slots.values_mut() {
            slot.relied_on = false;
            slot.written = None;
        }
        self.needs = Query::new();
    }

    /// Takes back what the last run wrote; what it relied on stands.
    pub(super) fn discard_writes(&mut self) {
        self.slots.values_mut().for_each(|slot| slot.written = None);
    }

    /// What the run lacked.
    pub(super) fn take_needs(&mut self) -> Query {
        core::mem::take(&mut self.needs)
    }

    pub(super) fn lacks_anything(&self) -> bool {
        !self.needs.is_empty()
    }

    /// Takes in the answer to `query`. What is known already stays as it is: the commit finds out if it has changed.
    pub(super) fn loaded(&mut self, query: &Query, snapshot: Snapshot) {
        self.loads += 1;
        self.from_cache |= snapshot.from_cache;
        let records = snapshot.records.into_iter();
        let mut slots: BTreeMap<_, _> = records.map(|(key, record)| (key, Slot::new(record))).collect();
        // Both are ordered, and to join them that way is far cheaper than one by one.
        slots.append(&mut self.slots);
        self.slots = slots;
        for key in &query.records {
            self.slots.entry(key.clone()).or_default();
        }
        let mut partitions = query.partitions.clone();
        self.partitions.append(&mut partitions);
    }

    fn knows(&self, key: &Key) -> bool {
        self.slots.contains_key(key) || self.partitions.contains(&key.partition)
    }

    /// Asks for a record to be loaded, unless it is known.
    pub(super) fn want(&mut self, key: Key) {
        if !self.knows(&key) {
            self.needs.records.insert(key);
        }
    }

    /// Asks for a partition to be loaded whole, unless it was.
    pub(super) fn want_partition(&mut self, partition: Name) {
        if !self.partitions.contains(&partition) {
            self.needs.partitions.insert(partition);
        }
    }

    /// The items of a partition that was loaded whole, or stops.
    pub(super) fn items(&mut self, partition: &Name) -> Result<impl Iterator<Item = &Key>, Stop> {
        if !self.partitions.contains(partition) {
            self.needs.partitions.insert(partition.clone());
            return Err(Stop::Need);
        }
        let exists = |slot: &Slot| match &slot.written {
            Some(written) => written.record().is_some(),
            None => slot.revision.is_some(),
        };
        Ok(self
            .slots
            .iter()
            .filter(move |(key, slot)| key.partition == *partition && exists(slot))
            .map(|(key, _)| key))
    }

    fn slot(&mut self, key: &Key) -> Result<&mut Slot, Stop> {
        let slot = match self.slots.entry(key.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(absent) if self.partitions.contains(&key.partition) => {
                absent.insert(Slot::default())
            }
            Entry::Vacant(_) => {
                self.needs.records.insert(key.clone());
                return Err(Stop::Need);
            }
        };
        slot.relied_on = true;
        Ok(slot)
    }

    /// The revision a record has in the storage; relies on it.
    pub(super) fn revision(&mut self, key: &Key) -> Result<Option<Revision>, Stop> {
        Ok(self.slot(key)?.revision)
    }

    /// The record, as this run has left it so far.
    pub(super) fn read<T: Stored>(&mut self, key: &Key) -> Result<Option<Arc<T>>, Stop> {
        let slot = self.slot(key)?;
        if let Some(written) = &slot.written {
            return written
                .record()
                .map(|record| downcast(Arc::clone(record)))
                .transpose();
        }
        if let Some(record) = &slot.decoded {
            return downcast(Arc::clone(record)).map(Some);
        }
        let Some(raw) = &slot.raw else { return Ok(None) };
        let record = Arc::new(decode::<T>(key, raw)?);
        slot.decoded = Some(Arc::clone(&record) as Arc<dyn AnyRecord>);
        Ok(Some(record))
    }

    /// The record to be changed and [`put`](Self::put) again. Until then the view shows it as the storage has it.
    pub(super) fn take<T: Stored>(&mut self, key: &Key) -> Result<Option<T>, Stop> {
        let slot = self.slot(key)?;
        let current = match slot.written.take() {
            Some(written) => match written.into_record() {
                Some(record) => Some(record),
                None => return Ok(None),
            },
            None => slot.decoded.take(),
        };
        if let Some(record) = current
            && let Ok(record) = Arc::try_unwrap(downcast::<T>(record)?)
        {
            return Ok(Some(record));
        }
        slot.raw.as_ref().map(|raw| decode(key, raw)).transpose()
    }

    /// Writes a record, even if it is the same as before; what was there before is relied on.
    pub(super) fn put<T: Stored>(&mut self, key: &Key, record: T) -> Result<(), Stop> {
        self.slot(key)?.written = Some(Written::Put(Arc::new(record)));
        Ok(())
    }

    /// Writes a record if it differs from what is stored, which is relied on either way.
    pub(super) fn put_changed<T: Stored>(&mut self, key: &Key, record: T) -> Result<(), Stop> {
        self.slot(key)?.written = Some(Written::PutChanged(Arc::new(record)));
        Ok(())
    }

    /// Deletes a record; what was there before is relied on.
    pub(super) fn delete(&mut self, key: &Key) -> Result<(), Stop> {
        self.slot(key)?.written = Some(Written::Delete);
        Ok(())
    }

    /// Whether this run writes the record.
    pub(super) fn is_written(&self, key: &Key) -> bool {
        self.slots.get(key).is_some_and(|slot| slot.written.is_some())
    }

    /// Everything the run relied on and wrote.
    pub(super) fn batch(&self, id: CommitId) -> Batch {
        let relied_on = self.slots.iter().filter(|(_, slot)| slot.relied_on);
        Batch::of(id, relied_on.map(|(key, slot)| (key.clone(), slot.stake())))
    }

    /// Whether a run that writes nothing can be believed as it is: all it relied on is one snapshot of the storage.
    pub(super) fn is_one_snapshot(&self) -> bool {
        self.loads <= 1 && !self.from_cache
    }

    /// The batch made of this view was applied: what it wrote is now what the storage has, and all it relied on was so
    /// at that one moment.
    pub(super) fn applied(&mut self, batch: &Batch) {
        for (key, stake) in batch.stakes() {
            let Some(slot) = self.slots.get_mut(key) else {
                continue;
            };
            match &stake.write {
                Write::Keep => {}
                Write::Put(value) => {
                    slot.revision = Some(batch.id().into());
                    slot.raw = Some(value.clone());
                    slot.decoded = slot.written.take().and_then(Written::into_record);
                }
                Write::Delete => *slot = Slot::default(),
            }
        }
        // What the batch did not name may have changed meanwhile.
        let named: BTreeSet<&Key> = batch.stakes().map(|(key, _)| key).collect();
        self.slots.retain(|key, _| named.contains(key));
        self.partitions.clear();
        self.loads = 1;
        self.from_cache = false;
    }
}

fn decode<T: Stored>(key: &Key, raw: &Value) -> Result<T, Stop> {
    T::decode(raw.as_bytes()).map_err(|source| {
        Stop::Fail(Error::Corrupt {
            partition: key.partition.to_string(),
            item: key.item.to_string(),
            source,
        })
    })
}
