//! What no thread uses now, the latest on top; and which of it nobody has needed for long.
//!
//! ```text
//!  top     ├──────────┤ put ▲ ▼ take
//!          │          │
//!  n_unused├──────────┤ was not taken since the last quiet: idle at the next one
//!  n_idle  ├──────────┤ was not taken between two quiets: to be stripped
//!          │          │
//!  n_bare  ├──────────┤ was stripped
//!  bottom  └──────────┘
//! ```
//!
//! So a program that does the same again and again keeps what it needs for that, and one that has changed its ways gives it
//! back.

#[derive(Debug)]
pub(super) struct Depot<T> {
    things: Vec<T>,
    n_unused: usize,
    n_idle: usize,
    n_bare: usize,
}

impl<T> Depot<T> {
    pub(super) const fn new() -> Depot<T> {
        Depot { things: Vec::new(), n_unused: 0, n_idle: 0, n_bare: 0 }
    }

    pub(super) fn put(&mut self, things: impl IntoIterator<Item = T>) {
        self.things.extend(things);
    }

    /// As many as there are, up to `n`.
    pub(super) fn take(&mut self, n: usize) -> Vec<T> {
        let rest = self.things.len().saturating_sub(n);
        for mark in [&mut self.n_unused, &mut self.n_idle, &mut self.n_bare] {
            *mark = rest.min(*mark);
        }
        self.things.split_off(rest)
    }

    /// Nothing runs any more.
    pub(super) fn fall_quiet(&mut self) {
        self.n_idle = std::mem::replace(&mut self.n_unused, self.things.len());
    }

    /// The next of those to be stripped, up to `n`. They count as stripped from now on.
    pub(super) fn strip(&mut self, n: usize) -> &mut [T] {
        let first = self.n_bare;
        self.n_bare = (first + n).min(self.n_idle).max(first);
        &mut self.things[first..self.n_bare]
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;
