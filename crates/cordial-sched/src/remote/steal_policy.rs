//! When a thief skips a worker: if the polls of that worker are short, and its queue will be empty in a moment.
//!
//! A stolen task moves to another processor with all data that it touches, and tasks that wait for it are then woken
//! from there. For a poll of less than a microsecond that costs more than the poll itself. So stealing pays only if the
//! task would wait for long: behind many other tasks, or behind a longer poll.
//!
//! This is a heuristic. If a skipped worker slows down, the next search steals from it, or sysmon moves its tasks.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use crate::remote::{Remote, SHORT_POLL};

/// A queue that its owner will have emptied within this time is skipped.
const SHORT_WAIT: Duration = Duration::from_micros(40);

/// The time per poll is measured over at least this much time.
const WINDOW: Duration = Duration::from_micros(5);

/// One thief's measurements of the other workers.
#[derive(Debug, Default)]
pub(crate) struct StealPolicy {
    measurements: RefCell<Vec<Option<Measurement>>>,
    has_skipped: Cell<bool>,
}

/// A worker as this thief saw it last.
#[derive(Clone, Copy, Debug)]
struct Measurement {
    finished: u64,
    at: Instant,
    /// The time per poll in the window before `at`. `None` if no poll has returned in that window.
    time_per_poll: Option<Duration>,
}

impl StealPolicy {
    /// Returns whether the thief should leave the tasks in the victim's queue where they are.
    pub(crate) fn should_skip(&self, index: usize, victim: &Remote) -> bool {
        let skips = self.time_per_poll(index, victim).is_some_and(|time_per_poll| {
            let n_queued = u32::try_from(victim.stealer.len()).unwrap_or(u32::MAX);
            time_per_poll < SHORT_POLL && time_per_poll.saturating_mul(n_queued) < SHORT_WAIT
        });
        if skips {
            self.has_skipped.set(true);
        }
        skips
    }

    /// Begins a new search, in which no worker was skipped yet.
    pub(crate) fn begin_search(&self) {
        self.has_skipped.set(false);
    }

    /// Returns whether a worker was skipped since the search began.
    pub(crate) fn has_skipped(&self) -> bool {
        self.has_skipped.get()
    }

    /// Returns the time per poll of the victim, as last measured. `None` if no poll has returned in the last window, or if there was no
    /// window yet.
    #[expect(clippy::disallowed_methods, reason = "polls last real time")]
    fn time_per_poll(&self, index: usize, victim: &Remote) -> Option<Duration> {
        let (now, finished) = (Instant::now(), victim.progress.finished());
        let mut measurements = self.measurements.borrow_mut();
        if measurements.len() <= index {
            measurements.resize(index + 1, None);
        }
        let last = measurements[index].get_or_insert(Measurement { finished, at: now, time_per_poll: None });
        let elapsed = now.saturating_duration_since(last.at);
        if elapsed >= WINDOW {
            let n_polls = u32::try_from(finished.wrapping_sub(last.finished)).unwrap_or(u32::MAX);
            *last = Measurement { finished, at: now, time_per_poll: elapsed.checked_div(n_polls) };
        }
        last.time_per_poll
    }
}
