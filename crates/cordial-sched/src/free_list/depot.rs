//! A stack of free values that knows which of them were not needed for long.
//!
//! ```text
//!  top      ├──────────┤ put ▲ ▼ take
//!           │          │
//!  n_unused ├──────────┤ was not taken since the last trim began: idle when the next one begins
//!  n_idle   ├──────────┤ was not taken between the beginnings of two trims: to be trimmed
//!           │          │
//!  n_trimmed├──────────┤ was trimmed
//!  bottom   └──────────┘
//! ```
//!
//! So a program that does the same work again and again keeps the values that it needs, and a program whose work changes
//! releases the memory of those that it no longer needs.

#[derive(Debug)]
pub(super) struct Depot<T> {
    values: Vec<T>,
    n_unused: usize,
    n_idle: usize,
    n_trimmed: usize,
}

impl<T> Default for Depot<T> {
    fn default() -> Depot<T> {
        Depot { values: Vec::new(), n_unused: 0, n_idle: 0, n_trimmed: 0 }
    }
}

impl<T> Depot<T> {
    pub(super) fn put(&mut self, values: impl IntoIterator<Item = T>) {
        self.values.extend(values);
    }

    /// Takes `n` values from the top, or all if there are fewer.
    pub(super) fn take(&mut self, n: usize) -> Vec<T> {
        let rest = self.values.len().saturating_sub(n);
        for level in [&mut self.n_unused, &mut self.n_idle, &mut self.n_trimmed] {
            *level = rest.min(*level);
        }
        self.values.split_off(rest)
    }

    /// Takes half of the values, rounded up.
    pub(super) fn take_half(&mut self) -> Vec<T> {
        self.take(self.values.len().div_ceil(2))
    }

    /// Begins a trim: finds out which values are idle.
    pub(super) fn begin_trim(&mut self) {
        self.n_idle = std::mem::replace(&mut self.n_unused, self.values.len());
    }

    /// Returns up to `n` idle values that were not trimmed. From now on they count as trimmed.
    pub(super) fn next_to_trim(&mut self, n: usize) -> &mut [T] {
        let first = self.n_trimmed;
        self.n_trimmed = (first + n).min(self.n_idle).max(first);
        &mut self.values[first..self.n_trimmed]
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;
