//! Whom a thief leaves alone: a worker whose polls are short and whose queue will be empty in a moment.
//!
//! A stolen task moves to another processor with all that it touches, and whoever waits for it does so from there. For a
//! poll of less than a microsecond that costs more than the poll. So it pays only if the task would wait for long: behind
//! many others, or behind a longer poll.
//!
//! Not a promise: who is left alone and gets slow all the same is stolen from at the next look, or seen by the watch.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use crate::worker::remote::Remote;

/// A poll, and what it takes to get to the next one, that is best done where it is.
const SHORT: Duration = Duration::from_micros(1);

/// How long tasks may wait for a worker with short polls.
const SOON: Duration = Duration::from_micros(40);

/// Over less time than this a pace says nothing.
const WINDOW: Duration = Duration::from_micros(5);

/// What one thread knows of the pace of the others.
#[derive(Debug, Default)]
pub(crate) struct StealPolicy {
    seen: RefCell<Vec<Option<Seen>>>,
    has_skipped: Cell<bool>,
}

/// A worker as this thread saw it last.
#[derive(Clone, Copy, Debug)]
struct Seen {
    finished: u64,
    at: Instant,
    /// Time for each poll before that. `None` if none was finished.
    pace: Option<Duration>,
}

impl StealPolicy {
    /// Whether the tasks in this queue are better left where they are.
    pub(crate) fn should_skip(&self, index: usize, victim: &Remote) -> bool {
        let is_left_alone = self.pace(index, victim).is_some_and(|pace| {
            let n_queued = u32::try_from(victim.stealer.len()).unwrap_or(u32::MAX);
            pace < SHORT && pace.saturating_mul(n_queued) < SOON
        });
        if is_left_alone {
            self.has_skipped.set(true);
        }
        is_left_alone
    }

    /// A new look at the others begins.
    pub(crate) fn begin_search(&self) {
        self.has_skipped.set(false);
    }

    /// Whether somebody was left alone since then.
    pub(crate) fn has_skipped(&self) -> bool {
        self.has_skipped.get()
    }

    /// `None` for a worker that is in a longer poll, or was not seen before.
    #[expect(clippy::disallowed_methods, reason = "polls last real time")]
    fn pace(&self, index: usize, victim: &Remote) -> Option<Duration> {
        let (now, finished) = (Instant::now(), victim.progress.finished());
        let mut all = self.seen.borrow_mut();
        if all.len() <= index {
            all.resize(index + 1, None);
        }
        let seen = all[index].get_or_insert(Seen { finished, at: now, pace: None });
        let elapsed = now.saturating_duration_since(seen.at);
        if elapsed >= WINDOW {
            let n_polls = u32::try_from(finished.wrapping_sub(seen.finished)).unwrap_or(u32::MAX);
            *seen = Seen { finished, at: now, pace: elapsed.checked_div(n_polls) };
        }
        seen.pace
    }
}
