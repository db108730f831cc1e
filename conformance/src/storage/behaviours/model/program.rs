//! What random programs are made of.

use omemo_storage::{Batch, Key, Name, Query, Revision, Value};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use crate::storage::behaviours::tenant::{batch, key};

/// Few records, so that programs meet themselves; each name the beginning or the other case of another.
const PARTITIONS: [&str; 3] = ["p", "p/", "P"];
const ITEMS: [&str; 3] = ["i", "i%", "I"];

/// One of the nine records there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    partition: usize,
    item: usize,
}

impl Place {
    pub(super) fn key(self) -> Key {
        key(PARTITIONS[self.partition], ITEMS[self.item])
    }

    pub(super) fn any(partitions: usize, items: usize) -> impl Strategy<Value = Self> {
        (0..partitions, 0..items).prop_map(|(partition, item)| Self { partition, item })
    }
}

/// What a batch takes for the state of a record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Belief {
    /// What it is.
    Current,
    /// That it is absent.
    Absent,
    /// The revision that an earlier batch gave, if it wrote there.
    Former(usize),
}

/// What a batch does with a record.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Keep,
    /// As many bytes, all the same.
    Put(usize, u8),
    Delete,
}

/// A part of a batch.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) place: Place,
    pub(super) belief: Belief,
    pub(super) deed: Deed,
}

pub(super) fn any_part(places: impl Strategy<Value = Place>) -> impl Strategy<Value = Part> {
    let belief = prop_oneof![
        12 => Just(Belief::Current),
        1 => Just(Belief::Absent),
        1 => (0..20_usize).prop_map(Belief::Former),
    ];
    let size = prop_oneof![4 => 0..40_usize, 1 => Just(0), 1 => 4_000..20_000_usize];
    let deed = prop_oneof![
        1 => Just(Deed::Keep),
        3 => (size, any::<u8>()).prop_map(|(size, byte)| Deed::Put(size, byte)),
        1 => Just(Deed::Delete),
    ];
    (places, belief, deed).prop_map(|(place, belief, deed)| Part { place, belief, deed })
}

/// A batch of the parts, with what `believed` says of each.
pub(super) fn batch_of(parts: &[Part], believed: impl Fn(&Part) -> Option<Revision>) -> Batch {
    let mut batch = batch();
    for part in parts {
        let (key, expected) = (part.place.key(), believed(part));
        match part.deed {
            Deed::Keep => batch.expect(key, expected),
            Deed::Put(size, byte) => batch.put(key, expected, Value::from(vec![byte; size])),
            Deed::Delete => batch.delete(key, expected),
        }
    }
    batch
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Question {
    places: Vec<Place>,
    partitions: Vec<usize>,
}

impl Question {
    pub(super) fn any(places: impl Strategy<Value = Place>) -> impl Strategy<Value = Self> {
        (vec(places, 0..4), vec(0..PARTITIONS.len(), 0..3))
            .prop_map(|(places, partitions)| Self { places, partitions })
    }

    pub(super) fn query(&self) -> Query {
        let mut query = Query::new();
        query.records.extend(self.places.iter().map(|place| place.key()));
        let partitions = self.partitions.iter().map(|n| Name::new(PARTITIONS[*n]).unwrap());
        query.partitions.extend(partitions);
        query
    }
}
