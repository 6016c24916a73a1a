//! Which item may start, and which result is next. Pure: no tasks, no time.
//!
//! ```text
//!  index      0   1   2   3   4   5   6   7
//!             │       │           │       └ not started
//!  delivered ─┘       │           └ running
//!                     └ 2, 3 finished, waiting for 1
//! ```

use std::collections::VecDeque;

/// The items between the source and the consumer.
#[derive(Debug)]
pub(super) struct Window<R> {
    max_running: usize,
    /// Results and running items together.
    max_held: usize,
    is_ordered: bool,
    n_running: usize,
    n_finished: usize,
    n_started: usize,
    /// Ordered: the item that is next for the consumer.
    next: usize,
    /// Ordered: from `next` on, `None` while it runs. Unordered: whatever has finished.
    finished: VecDeque<Option<R>>,
}

impl<R> Window<R> {
    pub(super) fn new(max_running: usize, max_ahead: usize, is_ordered: bool) -> Window<R> {
        Window {
            max_running,
            max_held: if is_ordered { max_running.saturating_add(max_ahead) } else { usize::MAX },
            is_ordered,
            n_running: 0,
            n_finished: 0,
            n_started: 0,
            next: 0,
            finished: VecDeque::new(),
        }
    }

    pub(super) fn may_start(&self) -> bool {
        self.n_running < self.max_running && self.n_running + self.n_finished < self.max_held
    }

    /// The index of the item that starts now.
    pub(super) fn start(&mut self) -> usize {
        let idx = self.n_started;
        self.n_started += 1;
        self.n_running += 1;
        if self.is_ordered {
            self.finished.push_back(None);
        }
        idx
    }

    pub(super) fn finish(&mut self, idx: usize, result: R) {
        self.n_running -= 1;
        self.n_finished += 1;
        if self.is_ordered {
            self.finished[idx - self.next] = Some(result);
        } else {
            self.finished.push_back(Some(result));
        }
    }

    /// Whether `deliver` would give something.
    pub(super) fn has_next(&self) -> bool {
        matches!(self.finished.front(), Some(Some(_)))
    }

    pub(super) fn deliver(&mut self) -> Option<R> {
        if !self.has_next() {
            return None;
        }
        self.next += 1;
        self.n_finished -= 1;
        self.finished.pop_front().flatten()
    }

    /// The stream ends with this result: what is older and finished comes first, in order; the rest is forgotten.
    pub(super) fn cut(&mut self, idx: usize, last: R) {
        if self.is_ordered {
            self.finished.truncate(idx - self.next);
            self.finished.retain(Option::is_some);
        }
        self.finished.push_back(Some(last));
        self.n_finished = self.finished.len();
        self.n_running = 0;
    }

    pub(super) fn n_running(&self) -> usize {
        self.n_running
    }
}

#[cfg(test)]
mod tests;
