//! The stored part of a view: what was loaded, what a run relied on there, and what it writes.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use omemo_storage::{Batch, CommitId, InvalidName, Key, Name, Query, Revision, Snapshot, Value, Write};

use super::Stop;
use super::partitions::Partitions;
use super::slot::{AnyRecord, Slot, Written, decode, downcast};
use crate::records::Stored;

/// The records of one account as an operation sees them.
#[derive(Default)]
pub(super) struct StoredView {
    partitions: Partitions,
    /// From how many loads the slots come. One load is one consistent snapshot.
    loads: u32,
    /// Whether any of them was answered from a cache, which may be behind the storage.
    from_cache: bool,
    needs: Query,
    /// What was to be written, at the savepoint, to each record that was touched since.
    savepoint: Option<BTreeMap<Key, Option<Written>>>,
}

impl StoredView {
    /// Forgets what the last run read, wrote and lacked, but not what was loaded.
    pub(super) fn begin_run(&mut self) {
        for slot in self.partitions.slots_mut() {
            slot.relied_on = false;
            slot.written = None;
        }
        self.needs = Query::new();
        self.savepoint = None;
    }

    /// Lets [`roll_back`](Self::roll_back) go back to here from now on.
    pub(super) fn set_savepoint(&mut self) {
        self.savepoint = Some(BTreeMap::new());
    }

    /// Takes back all that the run wrote; what it relied on stands.
    pub(super) fn discard_writes(&mut self) {
        self.savepoint = None;
        self.roll_back();
    }

    fn known_slot(&mut self, key: &Key) -> Option<&mut Slot> {
        self.partitions.get(&key.partition)?.known_slot(&key.item)
    }

    /// Takes back what the run wrote, since the savepoint if there is one; what it relied on stands.
    pub(super) fn roll_back(&mut self) {
        match self.savepoint.as_mut().map(core::mem::take) {
            Some(touched) => {
                for (key, before) in touched {
                    if let Some(slot) = self.known_slot(&key) {
                        slot.written = before;
                    }
                }
            }
            None => self.partitions.slots_mut().for_each(|slot| slot.written = None),
        }
    }

    /// The slot of a record that is about to be written.
    fn touch(&mut self, key: &Key) -> Result<&mut Slot, Stop> {
        let known = self
            .savepoint
            .as_ref()
            .is_none_or(|touched| touched.contains_key(key));
        if !known {
            let before = self.slot(key)?.written.as_ref().map(Written::save);
            if let Some(touched) = &mut self.savepoint {
                touched.insert(key.clone(), before);
            }
        }
        self.slot(key)
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
        // Both in order, so that this is a merge of few runs.
        let partitions = query.partitions.iter();
        self.partitions
            .add(partitions.chain(query.records.iter().map(|key| &key.partition)));
        for (Key { partition, item }, record) in snapshot.records {
            // A partition that was not asked for is none of this operation's business.
            if let Some(known) = self.partitions.get(&partition) {
                known.add(item, Slot::new(record));
            }
        }
        for Key { partition, item } in &query.records {
            if let Some(known) = self.partitions.get(partition) {
                known.slot(item);
            }
        }
        for partition in &query.partitions {
            if let Some(known) = self.partitions.get(partition) {
                known.whole = true;
            }
        }
    }

    /// The key of an item, in the memory of the name that was loaded if there is one.
    pub(super) fn key(&mut self, partition: &Name, item: &str) -> Result<Key, InvalidName> {
        let known = self.partitions.get(partition);
        let known = known.and_then(|known| known.name(item)).cloned();
        Ok(Key {
            partition: partition.clone(),
            item: known.map_or_else(|| Name::new(item), Ok)?,
        })
    }

    fn knows(&mut self, key: &Key) -> bool {
        let partition = self.partitions.get(&key.partition);
        partition.is_some_and(|partition| partition.knows(&key.item))
    }

    fn knows_whole(&mut self, partition: &Name) -> bool {
        let partition = self.partitions.get(partition);
        partition.is_some_and(|partition| partition.whole)
    }

    /// Asks for a record to be loaded, unless it is known.
    pub(super) fn want(&mut self, key: Key) {
        if !self.knows(&key) {
            self.needs.records.insert(key);
        }
    }

    /// Asks for partitions to be loaded whole, unless they were.
    pub(super) fn want_partitions<'a>(&mut self, partitions: impl Iterator<Item = &'a Name>) {
        let lacking: Vec<Name> = partitions
            .filter(|name| !self.knows_whole(name))
            .cloned()
            .collect();
        if self.needs.partitions.is_empty() {
            // All at once, which is less work where they are in order.
            self.needs.partitions = lacking.into_iter().collect();
        } else {
            self.needs.partitions.extend(lacking);
        }
    }

    /// Asks for a partition to be loaded whole, unless it was.
    pub(super) fn want_partition(&mut self, partition: &Name) {
        if !self.knows_whole(partition) {
            self.needs.partitions.insert(partition.clone());
        }
    }

    /// The items of a partition that was loaded whole, or stops.
    pub(super) fn items(&mut self, partition: &Name) -> Result<impl Iterator<Item = &Name>, Stop> {
        let Some(known) = self.partitions.get(partition).filter(|known| known.whole) else {
            self.needs.partitions.insert(partition.clone());
            return Err(Stop::Need);
        };
        let exists = |slot: &Slot| match &slot.written {
            Some(written) => written.exists(),
            None => slot.revision.is_some(),
        };
        let slots = known.slots.iter().filter(move |(_, slot)| exists(slot));
        Ok(slots.map(|(item, _)| item))
    }

    fn slot(&mut self, key: &Key) -> Result<&mut Slot, Stop> {
        let partition = self.partitions.get(&key.partition);
        let slot = partition
            .filter(|partition| partition.knows(&key.item))
            .and_then(|partition| partition.slot(&key.item));
        let Some(slot) = slot else {
            self.needs.records.insert(key.clone());
            return Err(Stop::Need);
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
            return written.record(key);
        }
        if let Some(record) = &slot.decoded {
            return downcast(Arc::clone(record)).map(Some);
        }
        let Some(raw) = &slot.raw else { return Ok(None) };
        let record = Arc::new(decode::<T>(key, raw)?);
        slot.decoded = Some(Arc::clone(&record) as Arc<dyn AnyRecord>);
        Ok(Some(record))
    }

    /// The record to be changed and [`put`](Self::put) again. Until then the view shows it as it was.
    pub(super) fn take<T: Stored>(&mut self, key: &Key) -> Result<Option<T>, Stop> {
        let slot = self.slot(key)?;
        if let Some(written) = &slot.written {
            let kept = written.save();
            let record = slot.written.replace(kept).and_then(Written::into_decoded);
            if let Some(record) = record
                && let Ok(record) = Arc::try_unwrap(downcast::<T>(record)?)
            {
                return Ok(Some(record));
            }
            return match &slot.written {
                Some(Written::Bytes { value, .. }) => decode(key, value).map(Some),
                _ => Ok(None),
            };
        }
        if let Some(record) = slot.decoded.take()
            && let Ok(record) = Arc::try_unwrap(downcast::<T>(record)?)
        {
            return Ok(Some(record));
        }
        slot.raw.as_ref().map(|raw| decode(key, raw)).transpose()
    }

    /// As [`take`](Self::take), in memory of which nobody else has a part, so that a large record is never moved.
    pub(super) fn take_alone<T: Stored>(&mut self, key: &Key) -> Result<Option<Arc<T>>, Stop> {
        let slot = self.slot(key)?;
        if slot.written.is_none()
            && let Some(record) = slot.decoded.take()
        {
            let mut record = downcast::<T>(record)?;
            if Arc::get_mut(&mut record).is_some() {
                return Ok(Some(record));
            }
        }
        Ok(self.take(key)?.map(Arc::new))
    }

    /// Writes a record, even if it is the same as before; what was there before is relied on.
    pub(super) fn put<T: Stored>(&mut self, key: &Key, record: Arc<T>) -> Result<(), Stop> {
        self.touch(key)?.written = Some(Written::Put(record));
        Ok(())
    }

    /// As [`put`](Self::put), of the record's bytes.
    pub(super) fn put_bytes(&mut self, key: &Key, value: Value) -> Result<(), Stop> {
        let changed = false;
        self.touch(key)?.written = Some(Written::Bytes { value, changed });
        Ok(())
    }

    /// Writes a record if it differs from what is stored, which is relied on either way.
    pub(super) fn put_changed<T: Stored>(&mut self, key: &Key, record: T) -> Result<(), Stop> {
        self.touch(key)?.written = Some(Written::PutChanged(Arc::new(record)));
        Ok(())
    }

    /// Deletes a record; what was there before is relied on.
    pub(super) fn delete(&mut self, key: &Key) -> Result<(), Stop> {
        self.touch(key)?.written = Some(Written::Delete);
        Ok(())
    }

    /// Whether this run writes the record.
    pub(super) fn is_written(&mut self, key: &Key) -> bool {
        self.known_slot(key).is_some_and(|slot| slot.written.is_some())
    }

    /// Everything the run relied on and wrote. What it wrote as bytes goes into the batch: the run is over.
    pub(super) fn batch(&mut self, id: CommitId) -> Batch {
        let known = self.partitions.iter().map(|(_, known)| known.slots.len()).sum();
        let mut stakes = Vec::with_capacity(known);
        for (partition, known) in self.partitions.iter_mut() {
            for (item, slot) in known.slots.iter_mut().filter(|(_, slot)| slot.relied_on) {
                let (partition, item) = (partition.clone(), item.clone());
                stakes.push((Key { partition, item }, slot.stake()));
            }
        }
        Batch::of(id, stakes)
    }

    /// Whether a run that writes nothing can be believed as it is: all it relied on is one snapshot of the storage.
    pub(super) fn is_one_snapshot(&self) -> bool {
        self.loads <= 1 && !self.from_cache
    }

    /// The batch made of this view was applied: what it wrote is now what the storage has, and all it relied on was so
    /// at that one moment.
    pub(super) fn applied(&mut self, batch: &Batch) {
        let mut before = core::mem::take(&mut self.partitions);
        self.partitions.add(batch.stakes().map(|(key, _)| &key.partition));
        // What the batch did not name may have changed meanwhile.
        for (key, stake) in batch.stakes() {
            let slot = before.get(&key.partition);
            let slot = slot.and_then(|partition| partition.known_slot(&key.item));
            let Some(slot) = slot.map(core::mem::take) else {
                continue;
            };
            let slot = match &stake.write {
                Write::Keep => slot,
                Write::Put(value) => Slot {
                    revision: Some(batch.id().into()),
                    raw: Some(value.clone()),
                    decoded: slot.written.and_then(Written::into_decoded),
                    ..Slot::default()
                },
                Write::Delete => Slot::default(),
            };
            if let Some(partition) = self.partitions.get(&key.partition) {
                partition.slots.push((key.item.clone(), slot));
            }
        }
        self.loads = 1;
        self.from_cache = false;
        self.savepoint = None;
    }
}
