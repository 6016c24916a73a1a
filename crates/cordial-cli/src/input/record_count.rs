//! The number of records in the input, for the progress bar.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The number of records that have been read.
#[derive(Debug, Default)]
pub(crate) struct RecordCount {
    records: AtomicU64,
    is_complete: AtomicBool,
    /// Whether the number of items does not follow from the number of records.
    is_given_up: AtomicBool,
}

impl RecordCount {
    /// Returns the number of items with this many records each, or `None` if it is not known: before the end of the input was
    /// read, and after `give_up`.
    pub(crate) fn n_items(&self, records_per_item: usize) -> Option<u64> {
        // `Acquire` pairs with the `Release` store in `complete`: all records are counted before
        // that store.
        let is_known = self.is_complete.load(Ordering::Acquire) && !self.is_given_up.load(Ordering::Relaxed);
        is_known.then(|| self.records.load(Ordering::Relaxed).div_ceil(records_per_item as u64))
    }

    pub(crate) fn add(&self, records: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
    }

    /// Notes that the number of items does not follow from the number of records.
    pub(super) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }

    /// Notes that all records are counted. `Release` pairs with the `Acquire` load in `n_items`.
    pub(crate) fn complete(&self) {
        self.is_complete.store(true, Ordering::Release);
    }
}
