//! The records of an earlier run, and which of them belong to the items of this run.
//!
//! Each record has a number and an item. A new record has the number of its item. If the list of items has changed between two
//! runs, another record may have that number already; the new record then has a number that is free. So a number is never
//! used for two items, and a list that has grown, shrunk or changed its order is continued correctly.
//!
//! An item that is in the list several times has a record for each of its finished occurrences. The commands of these may differ
//! by the number of the item. So as long as nothing shows that the list has changed, a record is kept for the occurrence that has
//! its number.

use std::collections::{HashMap, HashSet};

use super::item_text::ItemKey;

/// Which items are run, depending on the records of an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// All: neither `--resume` nor `--resume-failed` is given.
    No,
    /// `--resume`: items that did not finish.
    Unfinished,
    /// `--resume-failed`: items that did not finish, and items that failed.
    UnfinishedAndFailed,
}

/// A record of the earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PastRecord {
    pub(super) number: u64,
    pub(super) key: ItemKey,
    pub(super) is_success: bool,
    /// A hash of the command; `None` for a record of `--results`, which does not have the command.
    pub(super) command: Option<u64>,
}

/// The records of the earlier run.
#[derive(Debug, Default)]
pub(crate) struct PastRun {
    /// Sorted by item, then by number.
    records: Vec<Entry>,
    /// The numbers of all records, sorted.
    numbers: Vec<u64>,
    /// Where in `records` the search for a record of an item begins, if the record with the number of the item is claimed or does not
    /// exist. The records of the item before this position are claimed.
    cursors: HashMap<ItemKey, usize>,
    /// The items whose results are in the directory of `--results`, by number. The joblog may have no records of them.
    occupied: HashMap<u64, ItemKey>,
    /// Whether some item of this run has the number of a record that it cannot claim, because the record belongs to another item or
    /// another occurrence of the item has claimed it.
    is_list_changed: bool,
    /// Numbers of items of this run whose records have other numbers. No record has these numbers.
    unused: Vec<u64>,
    /// The numbers that `new_number` has made by incrementing `greatest`. A later item may have one of them as its own number.
    given: HashSet<u64>,
    /// The greatest number of the records, results and items so far.
    greatest: u64,
    n_claimed: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    record: PastRecord,
    is_claimed: bool,
}

impl PastRun {
    /// Of several records of the same item with the same number, the last one counts.
    pub(super) fn new(mut records: Vec<PastRecord>) -> PastRun {
        // The sort is stable, so the last of equal records is the latest.
        records.sort_by_key(|record| (record.key, record.number));
        records.reverse();
        records.dedup_by_key(|record| (record.key, record.number));
        records.reverse();
        let mut numbers: Vec<u64> = records.iter().map(|record| record.number).collect();
        numbers.sort_unstable();
        let records = records.into_iter().map(|record| Entry { record, is_claimed: false }).collect();
        PastRun { greatest: numbers.last().copied().unwrap_or(0), records, numbers, ..PastRun::default() }
    }

    /// Reserves the numbers of the records of `--results`. The earlier run may have been killed after it wrote results, and before it
    /// wrote their lines of the joblog.
    pub(crate) fn occupy(&mut self, results: &PastRun) {
        self.occupied.extend(results.records.iter().map(|entry| (entry.record.number, entry.record.key)));
        self.greatest = self.occupied.keys().copied().max().unwrap_or(0).max(self.greatest);
    }

    /// Returns whether there are neither records nor results: then all items are run, with their own numbers.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.occupied.is_empty()
    }

    /// Claims a record for an item, and returns it. No other item gets that record then. Of several records, the one with the number of the
    /// item is preferred. With `is_exact`, no record with another number is claimed. Returns `None` if the item has no unclaimed record, or
    /// if its records are kept for later occurrences of the item.
    pub(super) fn claim(&mut self, index: u64, key: ItemKey, is_exact: bool) -> Option<PastRecord> {
        self.greatest = self.greatest.max(index);
        let position = |record: &PastRecord, number| (record.key, record.number).cmp(&(key, number));
        let at = match self.records.binary_search_by(|entry| position(&entry.record, index)) {
            Ok(at) if !self.records[at].is_claimed => at,
            _ if is_exact => return None,
            _ => {
                let is_number_used = self.numbers.binary_search(&index).is_ok();
                self.is_list_changed |= is_number_used;
                let start = || self.records.partition_point(|entry| entry.record.key < key);
                let start = self.cursors.get(&key).copied().unwrap_or_else(start);
                let mut at = start;
                let is_same = |at: usize| self.records.get(at).is_some_and(|entry| entry.record.key == key);
                while is_same(at) && self.records[at].is_claimed {
                    at += 1;
                }
                if !is_same(at) {
                    // A further occurrence does not search the claimed records again.
                    if at > start {
                        self.cursors.insert(key, at);
                    }
                    return None;
                }
                let is_one_of_several = is_same(at + 1) || at.checked_sub(1).is_some_and(is_same);
                if is_one_of_several && !self.is_list_changed && self.records[at].record.number > index {
                    // The record belongs to a later occurrence of the item.
                    self.cursors.insert(key, at);
                    return None;
                }
                self.cursors.insert(key, at + 1);
                if !is_number_used && !self.given.contains(&index) && !self.occupied.contains_key(&index) {
                    self.unused.push(index);
                }
                at
            }
        };
        let entry = &mut self.records[at];
        entry.is_claimed = true;
        self.n_claimed += 1;
        Some(entry.record)
    }

    /// Returns the number for a new record of an item: the number of the item, if that is free.
    pub(super) fn new_number(&mut self, index: u64, key: ItemKey) -> u64 {
        self.greatest = self.greatest.max(index);
        let is_occupied = self.occupied.get(&index).is_some_and(|other| *other != key);
        if self.numbers.binary_search(&index).is_err() && !self.given.contains(&index) && !is_occupied {
            return index;
        }
        self.unused.pop().unwrap_or_else(|| {
            self.greatest += 1;
            self.given.insert(self.greatest);
            self.greatest
        })
    }

    /// Returns the number of records that no item of this run has claimed.
    pub(super) fn n_unclaimed(&self) -> usize {
        self.records.len() - self.n_claimed
    }

    /// Returns the record with the lowest number that no item of this run has claimed.
    pub(super) fn first_unclaimed(&self) -> Option<PastRecord> {
        let unclaimed = self.records.iter().filter(|entry| !entry.is_claimed).map(|entry| entry.record);
        unclaimed.min_by_key(|record| record.number)
    }
}

#[cfg(test)]
mod tests;
