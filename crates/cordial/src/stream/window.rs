//! Which item may start, and which result is next. Pure: no tasks, no time.
//!
//! In this module, an item starts when it is pulled, and runs until it has a result: even while it is queued or in a backoff.
//!
//! ```text
//!  index      0   1   2   3   4   5   6   7
//!             │       │           │       └ not started, like 6
//!  delivered ─┘       │           └ running, like 1 and 4
//!                     └ finished, like 3: both wait for 1
//! ```

use std::collections::VecDeque;

use super::options::Order;
use crate::process::discard_in_place;

/// The items that have started and whose results were not delivered yet.
#[derive(Debug)]
pub(super) struct Window<R> {
    max_running: usize,
    /// Bound on `n_running + n_finished`.
    max_held: usize,
    order: Order,
    n_running: usize,
    n_finished: usize,
    n_started: usize,
    /// Input order only: the index of the item that is delivered next.
    next: usize,
    /// Input order: one entry for each started item from `next` on, `None` while the item runs. `finish` adds entries, several at once, so
    /// running items behind the last finished one may have no entry yet.
    /// Completion order: the results of finished items.
    finished: VecDeque<Option<R>>,
}

impl<R> Window<R> {
    /// `max_ahead` is how many items may be held beyond `max_running`.
    pub(super) fn new(max_running: usize, max_ahead: usize, order: Order) -> Window<R> {
        Window {
            max_running,
            max_held: max_running.saturating_add(max_ahead),
            order,
            n_running: 0,
            n_finished: 0,
            n_started: 0,
            next: 0,
            finished: VecDeque::new(),
        }
    }

    #[inline]
    pub(super) fn may_start(&self) -> bool {
        self.n_running < self.max_running && self.n_held() < self.max_held
    }

    /// Starts an item, and returns its index.
    #[inline]
    pub(super) fn start(&mut self) -> usize {
        let idx = self.n_started;
        self.n_started += 1;
        self.n_running += 1;
        idx
    }

    #[inline]
    pub(super) fn finish(&mut self, idx: usize, result: R) {
        self.n_running -= 1;
        self.n_finished += 1;
        if self.order == Order::Completion {
            self.finished.push_back(Some(result));
            return;
        }
        let at = idx - self.next;
        if at >= self.finished.len() {
            self.finished.resize_with((at + 1 + self.n_running).min(self.n_started - self.next), || None);
        }
        self.finished[at] = Some(result);
    }

    /// Returns whether `deliver` would return a result.
    #[inline]
    pub(super) fn has_next(&self) -> bool {
        matches!(self.finished.front(), Some(Some(_)))
    }

    #[inline]
    pub(super) fn deliver(&mut self) -> Option<R> {
        if !self.has_next() {
            return None;
        }
        self.next += 1;
        self.n_finished -= 1;
        let result = self.finished.pop_front().flatten();
        Some(result.expect("`has_next` saw a finished item in front"))
    }

    /// Ends the window with `last`, the result of item `idx`. In input order, later items are
    /// dropped, and earlier items continue: their results come first. In completion order, the
    /// results so far come first, and running items are dropped.
    pub(super) fn cut(&mut self, idx: usize, last: R) {
        if self.order == Order::Input {
            self.truncate(idx - self.next);
            self.finished.resize_with(idx - self.next, || None);
        }
        self.finished.push_back(Some(last));
        self.n_finished = self.finished.iter().flatten().count();
        self.n_running = self.finished.len() - self.n_finished;
    }

    /// Drops all but the first `n` entries.
    fn truncate(&mut self, n: usize) {
        while self.finished.len() > n {
            let mut last = self.finished.pop_back().flatten();
            discard_in_place(&mut last);
        }
    }

    /// Returns how many items have started: the index of the next one.
    pub(super) fn n_started(&self) -> usize {
        self.n_started
    }

    /// Returns how many results wait to be delivered.
    pub(super) fn n_finished(&self) -> usize {
        self.n_finished
    }

    /// Returns how many items are running, or wait to be delivered.
    pub(super) fn n_held(&self) -> usize {
        self.n_running + self.n_finished
    }
}

/// Discards each result on its own: two destructors that panic would abort the program.
impl<R> Drop for Window<R> {
    fn drop(&mut self) {
        self.truncate(0);
    }
}

#[cfg(test)]
mod tests;
