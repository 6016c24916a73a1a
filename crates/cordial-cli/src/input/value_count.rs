//! The number of values in the input, for the progress bar and for `--halt` with a percentage.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The number of values that have been read.
#[derive(Debug, Default)]
pub(crate) struct ValueCount {
    values: AtomicU64,
    is_complete: AtomicBool,
}

impl ValueCount {
    /// Returns the number of items with this many values each, or `None` before the end of the input was read.
    pub(crate) fn n_items(&self, values_per_item: usize) -> Option<u64> {
        // `Acquire` pairs with the `Release` store in `complete`: all values are counted before
        // that store.
        let is_complete = self.is_complete.load(Ordering::Acquire);
        is_complete.then(|| self.values.load(Ordering::Relaxed).div_ceil(values_per_item as u64))
    }

    pub(super) fn add(&self, values: u64) {
        self.values.fetch_add(values, Ordering::Relaxed);
    }

    /// Declares the count complete. `Release` pairs with the `Acquire` load in `n_items`.
    pub(super) fn complete(&self) {
        self.is_complete.store(true, Ordering::Release);
    }
}
