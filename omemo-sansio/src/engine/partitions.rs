//! The partitions that are known, and the slots in them.

use alloc::vec::Vec;

use omemo_storage::Name;

use super::slot::Slot;

/// What is known of a partition.
#[derive(Default)]
pub(super) struct Partition {
    /// Whether it was loaded whole, so that what is not among the slots is absent.
    pub(super) whole: bool,
    /// By item, in order. Mostly a few, and looked up more often than anything is added.
    pub(super) slots: Vec<(Name, Slot)>,
}

impl Partition {
    /// Where the slot of an item is, or would be.
    fn find(&self, item: &Name) -> Result<usize, usize> {
        self.slots.binary_search_by(|(known, _)| known.cmp(item))
    }

    /// The name of an item that is known.
    pub(super) fn name(&self, item: &str) -> Option<&Name> {
        let found = self.slots.binary_search_by(|(known, _)| known.as_str().cmp(item));
        found
            .ok()
            .and_then(|place| self.slots.get(place))
            .map(|(name, _)| name)
    }

    /// The slot of an item that is known.
    pub(super) fn known_slot(&mut self, item: &Name) -> Option<&mut Slot> {
        let place = self.find(item).ok()?;
        self.slots.get_mut(place).map(|(_, slot)| slot)
    }

    /// The slot of an item, made where there is none.
    pub(super) fn slot(&mut self, item: &Name) -> Option<&mut Slot> {
        let place = match self.find(item) {
            Ok(place) => place,
            Err(place) => {
                self.slots.insert(place, (item.clone(), Slot::default()));
                place
            }
        };
        self.slots.get_mut(place).map(|(_, slot)| slot)
    }

    /// Whether it is known what there is of an item, if only that it is absent.
    pub(super) fn knows(&self, item: &Name) -> bool {
        self.whole || self.find(item).is_ok()
    }

    /// Adds a slot where none is known yet.
    pub(super) fn add(&mut self, item: Name, slot: Slot) {
        if let Err(place) = self.find(&item) {
            if self.slots.is_empty() {
                // A contact and one session, most often.
                self.slots.reserve_exact(2);
            }
            self.slots.insert(place, (item, slot));
        }
    }
}

/// Partitions by name. Operations go through many of them in order, again and again: each is looked for beside the one
/// that was looked for before, so that hardly ever two names are compared.
#[derive(Default)]
pub(super) struct Partitions {
    /// In order.
    known: Vec<(Name, Partition)>,
    /// Where the last one was found.
    last: usize,
}

impl Partitions {
    /// Where a partition is.
    fn find(&self, name: &Name) -> Option<usize> {
        let is_at = |place: &usize| self.known.get(*place).is_some_and(|(known, _)| known == name);
        let beside = [self.last, self.last + 1].into_iter().find(is_at);
        beside.or_else(|| self.known.binary_search_by(|(known, _)| known.cmp(name)).ok())
    }

    /// A partition that is known, if only that there is nothing in it.
    pub(super) fn get(&mut self, name: &Name) -> Option<&mut Partition> {
        self.last = self.find(name)?;
        self.known.get_mut(self.last).map(|(_, partition)| partition)
    }

    /// Adds those of them that are not known yet, with nothing in them; all at once, since there may be thousands.
    pub(super) fn add<'a>(&mut self, names: impl Iterator<Item = &'a Name>) {
        let before = self.known.len();
        for name in names {
            let is_last = |(last, _): &(Name, Partition)| last == name;
            if !self.known.last().is_some_and(is_last) && !self.knows(name, before) {
                self.known.push((name.clone(), Partition::default()));
            }
        }
        if self.known.len() > before {
            self.known.sort_by(|(one, _), (other, _)| one.cmp(other));
            // Of two of a name the first was known before, as the order of sorting is stable.
            self.known.dedup_by(|(later, _), (earlier, _)| later == earlier);
            self.last = 0;
        }
    }

    /// Whether a partition is among the first so many.
    fn knows(&self, name: &Name, count: usize) -> bool {
        let known = self.known.get(..count).unwrap_or_default();
        known.binary_search_by(|(known, _)| known.cmp(name)).is_ok()
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Name, &Partition)> {
        self.known.iter().map(|(name, partition)| (name, partition))
    }

    /// All of them, in order, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Name, &mut Partition)> {
        self.known.iter_mut().map(|(name, partition)| (&*name, partition))
    }

    /// Every slot there is.
    pub(super) fn slots_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        let partitions = self.iter_mut();
        partitions.flat_map(|(_, partition)| partition.slots.iter_mut().map(|(_, slot)| slot))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However they are added and looked for: what was added is there, once and in order, with what it was given.
        #[test]
        fn partitions_are_found(added in vec(vec(0..40_u8, 0..20), 0..6), sought in vec(0..40_u8, 0..60)) {
            let name = |number: u8| Name::new(&std::format!("contact/{number}")).unwrap();
            let (mut partitions, mut expected) = (Partitions::default(), BTreeSet::new());
            for numbers in added {
                let names: Vec<Name> = numbers.into_iter().map(name).collect();
                partitions.add(names.iter());
                for name in names {
                    let partition = partitions.get(&name).unwrap();
                    prop_assert_eq!(partition.whole, !expected.insert(name), "what was known before stays");
                    partition.whole = true;
                }
            }
            for number in sought {
                let name = name(number);
                prop_assert_eq!(partitions.get(&name).is_some(), expected.contains(&name));
            }
            prop_assert!(partitions.iter().map(|(name, _)| name).eq(&expected));
        }
    }
}
