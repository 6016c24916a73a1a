//! Which item may start, and which result is next. Pure: no tasks, no time.
//!
//! ```text
//!  index      0   1   2   3   4   5   6   7
//!             │       │           │       └ not started
//!  delivered ─┘       │           └ running
//!                     └ 2, 3 finished, waiting for 1
//! ```

use std::collections::VecDeque;

use super::options::Order;

/// The items between the source and the consumer.
#[derive(Debug)]
pub(super) struct Window<R> {
    max_running: usize,
    /// Results and running items together.
    max_held: usize,
    order: Order,
    n_running: usize,
    n_finished: usize,
    n_started: usize,
    /// In the order of input: the item that is next for the consumer.
    next: usize,
    /// In the order of input: from `next` on, `None` while it runs. Else whatever has finished.
    finished: VecDeque<Option<R>>,
}

impl<R> Window<R> {
    /// `max_ahead` is how many results may be held beyond `max_running`.
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

    pub(super) fn may_start(&self) -> bool {
        self.n_running < self.max_running && self.n_held() < self.max_held
    }

    /// The index of the item that starts now.
    pub(super) fn start(&mut self) -> usize {
        let idx = self.n_started;
        self.n_started += 1;
        self.n_running += 1;
        if self.order == Order::OfInput {
            self.finished.push_back(None);
        }
        idx
    }

    pub(super) fn finish(&mut self, idx: usize, result: R) {
        self.n_running -= 1;
        self.n_finished += 1;
        if self.order == Order::OfInput {
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
        if self.order == Order::OfInput {
            self.finished.truncate(idx - self.next);
            self.finished.retain(Option::is_some);
        }
        self.finished.push_back(Some(last));
        self.n_finished = self.finished.len();
        self.n_running = 0;
    }

    /// How many items are running, or wait to be delivered.
    pub(super) fn n_held(&self) -> usize {
        self.n_running + self.n_finished
    }
}

#[cfg(test)]
mod tests;
