//! A map for keys that are mostly added in ascending order.
//!
//! ```text
//!  entries   (1, Some)  (2, None)  (5, Some)  (6, Some)      2 was removed; `insert(7, ..)` appends
//! ```
//!
//! Used instead of `BTreeMap`, which takes ten times as long to compile, and is compiled again in each program that
//! uses this library, for every type of value. A new key that is smaller than the last one is inserted in linear time,
//! so this map is not for keys in random order, unless they are few.

use std::ops::{Bound, RangeBounds};

/// A map in the order of its keys. Insertion after the last key takes amortized constant time, removal amortized logarithmic
/// time.
#[derive(Clone, Debug)]
pub(crate) struct SortedMap<K, V> {
    /// Sorted by key. `None`: the entry was removed. The last entry is `Some`.
    entries: Vec<(K, Option<V>)>,
    n_removed: usize,
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> SortedMap<K, V> {
        SortedMap { entries: Vec::new(), n_removed: 0 }
    }
}

impl<K: Ord + Copy, V> SortedMap<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.n_removed
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.entries[self.find(key).ok()?].1.as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let at = self.find(key).ok()?;
        self.entries[at].1.as_mut()
    }

    /// Sets the value of a key, and returns the previous one.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let is_last = self.entries.last().is_none_or(|(last, _)| *last < key);
        match if is_last { Err(self.entries.len()) } else { self.find(key) } {
            Ok(at) => {
                let previous = self.entries[at].1.replace(value);
                self.n_removed -= usize::from(previous.is_none());
                previous
            }
            Err(at) => {
                self.entries.insert(at, (key, Some(value)));
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let at = self.find(key).ok()?;
        let removed = self.entries[at].1.take()?;
        self.n_removed += 1;
        while self.entries.last().is_some_and(|(_, value)| value.is_none()) {
            self.entries.pop();
            self.n_removed -= 1;
        }
        if self.n_removed > self.entries.len() / 2 {
            self.entries.retain(|(_, value)| value.is_some());
            self.n_removed = 0;
        }
        Some(removed)
    }

    /// Returns the entries in the order of their keys.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &V)> {
        self.entries.iter().filter_map(|(key, value)| Some((*key, value.as_ref()?)))
    }

    /// Returns the entries with these keys, in the order of their keys. Finds the first one in logarithmic time.
    pub(crate) fn range(&self, keys: impl RangeBounds<K>) -> impl Iterator<Item = (K, &V)> {
        let from = match keys.start_bound() {
            Bound::Included(first) => self.entries.partition_point(|(key, _)| key < first),
            Bound::Excluded(before) => self.entries.partition_point(|(key, _)| key <= before),
            Bound::Unbounded => 0,
        };
        let entries = self.entries[from..].iter().take_while(move |(key, _)| keys.contains(key));
        entries.filter_map(|(key, value)| Some((*key, value.as_ref()?)))
    }

    /// Returns the values in the order of their keys.
    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.entries.iter().filter_map(|(_, value)| value.as_ref())
    }

    /// Returns the values in the order of their keys.
    pub(crate) fn into_values(self) -> impl Iterator<Item = V> {
        self.entries.into_iter().filter_map(|(_, value)| value)
    }

    fn find(&self, key: K) -> Result<usize, usize> {
        self.entries.binary_search_by(|(at, _)| at.cmp(&key))
    }
}

impl<K: Ord + Copy, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> SortedMap<K, V> {
        let mut map = SortedMap::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests;
