//! Maps of a few entries, which take no memory of their own.

use alloc::collections::BTreeMap;
use core::cmp::Ordering;
use core::iter;
use core::slice;

use litemap::LiteMap;
use litemap::store::{
    Store, StoreBulkMut, StoreConstEmpty, StoreFromIterable, StoreIntoIterator, StoreIterable,
    StoreIterableMut, StoreMut,
};
use smallvec::SmallVec;

/// A map of a few, in order. Up to `N` entries lie within it: a contact is read with each message to it, and most have one or
/// two of each.
pub(crate) type Map<K, V, const N: usize> = LiteMap<K, V, Few<K, V, N>>;

/// The entries of a [`Map`], in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Few<K, V, const N: usize>(SmallVec<[(K, V); N]>);

impl<K, V, const N: usize> Default for Few<K, V, N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

fn pair<K, V>((key, value): &(K, V)) -> (&K, &V) {
    (key, value)
}

fn pair_mut<K, V>((key, value): &mut (K, V)) -> (&K, &mut V) {
    (key, value)
}

impl<K, V, const N: usize> StoreConstEmpty<K, V> for Few<K, V, N> {
    const EMPTY: Self = Self(SmallVec::new_const());
}

impl<K, V, const N: usize> Store<K, V> for Few<K, V, N> {
    fn lm_len(&self) -> usize {
        self.0.len()
    }

    fn lm_get(&self, index: usize) -> Option<(&K, &V)> {
        self.0.get(index).map(pair)
    }

    fn lm_binary_search_by<F>(&self, mut compare: F) -> Result<usize, usize>
    where
        F: FnMut(&K) -> Ordering,
    {
        self.0.binary_search_by(|(key, _)| compare(key))
    }
}

impl<K, V, const N: usize> StoreMut<K, V> for Few<K, V, N> {
    fn lm_with_capacity(capacity: usize) -> Self {
        Self(SmallVec::with_capacity(capacity))
    }

    fn lm_reserve(&mut self, additional: usize) {
        self.0.reserve(additional);
    }

    fn lm_get_mut(&mut self, index: usize) -> Option<(&K, &mut V)> {
        self.0.get_mut(index).map(pair_mut)
    }

    fn lm_push(&mut self, key: K, value: V) {
        self.0.push((key, value));
    }

    fn lm_insert(&mut self, index: usize, key: K, value: V) {
        self.0.insert(index, (key, value));
    }

    fn lm_remove(&mut self, index: usize) -> (K, V) {
        self.0.remove(index)
    }

    fn lm_clear(&mut self) {
        self.0.clear();
    }
}

impl<K: Ord, V, const N: usize> StoreBulkMut<K, V> for Few<K, V, N> {
    fn lm_retain<F>(&mut self, mut predicate: F)
    where
        F: FnMut(&K, &V) -> bool,
    {
        self.0.retain(|(key, value)| predicate(key, value));
    }

    fn lm_extend<I>(&mut self, other: I)
    where
        I: IntoIterator<Item = (K, V)>,
    {
        let before = core::mem::take(&mut self.0);
        *self = Self::lm_sort_from_iter(before.into_iter().chain(other));
    }
}

impl<K: Ord, V, const N: usize> StoreFromIterable<K, V> for Few<K, V, N> {
    /// Of entries with one key the last stays.
    fn lm_sort_from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let sorted: BTreeMap<K, V> = entries.into_iter().collect();
        Self(sorted.into_iter().collect())
    }
}

impl<'a, K: 'a, V: 'a, const N: usize> StoreIterable<'a, K, V> for Few<K, V, N> {
    type KeyValueIter = iter::Map<slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

    fn lm_iter(&'a self) -> Self::KeyValueIter {
        self.0.iter().map(pair)
    }
}

impl<'a, K: 'a, V: 'a, const N: usize> StoreIterableMut<'a, K, V> for Few<K, V, N> {
    type KeyValueIterMut = iter::Map<slice::IterMut<'a, (K, V)>, fn(&'a mut (K, V)) -> (&'a K, &'a mut V)>;

    fn lm_iter_mut(&'a mut self) -> Self::KeyValueIterMut {
        self.0.iter_mut().map(pair_mut)
    }
}

impl<K, V, const N: usize> StoreIntoIterator<K, V> for Few<K, V, N> {
    type KeyValueIntoIter = smallvec::IntoIter<[(K, V); N]>;

    fn lm_into_iter(self) -> Self::KeyValueIntoIter {
        self.0.into_iter()
    }
}
