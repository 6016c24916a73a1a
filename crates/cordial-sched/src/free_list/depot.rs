//! A stack of free values that knows which values were not needed lately.
//!
//! ```text
//!  top      ├──────────┤ put ▲ ▼ take
//!           │          │
//!  n_unused ├──────────┤ below: not taken since the last trim began, so idle when the next one begins
//!  n_idle   ├──────────┤ below: not taken since the trim before that began, so to be freed now
//!  bottom   └──────────┘
//! ```
//!
//! So a program that does the same work again and again keeps the values that it needs, and a program whose work changes or
//! ends frees the values that it no longer needs.

use std::collections::VecDeque;

#[derive(Debug)]
pub(super) struct Depot<T> {
    /// The bottom is the front.
    values: VecDeque<T>,
    n_unused: usize,
    n_idle: usize,
}

impl<T> Default for Depot<T> {
    fn default() -> Depot<T> {
        Depot { values: VecDeque::new(), n_unused: 0, n_idle: 0 }
    }
}

impl<T> Depot<T> {
    pub(super) fn put(&mut self, values: impl IntoIterator<Item = T>) {
        self.values.extend(values);
    }

    /// Makes room for `n` values in all.
    pub(super) fn reserve(&mut self, n: usize) {
        self.values.reserve(n.saturating_sub(self.values.len()));
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Takes `n` values from the top, or all if there are fewer.
    pub(super) fn take(&mut self, n: usize) -> impl Iterator<Item = T> + '_ {
        let rest = self.values.len().saturating_sub(n);
        for level in [&mut self.n_unused, &mut self.n_idle] {
            *level = rest.min(*level);
        }
        self.values.drain(rest..)
    }

    /// Takes half of the values, rounded up.
    pub(super) fn take_half(&mut self) -> Vec<T> {
        self.take(self.values.len().div_ceil(2)).collect()
    }

    /// Begins a trim: finds out which values are idle.
    pub(super) fn begin_trim(&mut self) {
        self.n_idle = std::mem::replace(&mut self.n_unused, self.values.len());
    }

    /// Takes up to `n` idle values. If no value is left, frees the memory of the stack itself.
    pub(super) fn take_idle(&mut self, n: usize) -> Vec<T> {
        let n = n.min(self.n_idle);
        self.n_idle -= n;
        self.n_unused -= n;
        let idle = self.values.drain(..n).collect();
        if self.values.is_empty() {
            self.values = VecDeque::new();
        }
        idle
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;
