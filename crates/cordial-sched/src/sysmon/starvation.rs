//! Whether work waits for so long that a stand-in is worth its thread.
//!
//! A thread that comes takes a processor from somebody, and it costs more to wake it than to do a few short tasks. So what is
//! done soon anyhow is left to who does it. A poll may last for `stall_after` before anybody calls it long, and so may work
//! wait, if somebody works at all.

use std::time::Duration;

/// A poll, and what it takes to get to the next one, that a thread does not pay to come for.
const SHORT: Duration = Duration::from_micros(1);

/// What the watch sees in one look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observation {
    pub(crate) now: Duration,
    /// Since the look before.
    pub(crate) passed: Duration,
    /// Polls that have returned since the look before.
    pub(crate) n_done: u64,
    /// Tasks in the queues.
    pub(crate) n_waiting: usize,
    pub(crate) n_active: usize,
    /// Of the active threads.
    pub(crate) n_stuck: usize,
}

/// What the watch remembers between two looks.
#[derive(Debug)]
pub(crate) struct StarvationDetector {
    stall_after: Duration,
    since: Option<Duration>,
}

impl StarvationDetector {
    pub(crate) fn none(stall_after: Duration) -> StarvationDetector {
        StarvationDetector { stall_after, since: None }
    }

    /// For each look: whether it is time for a stand-in.
    pub(crate) fn look(&mut self, sight: &Observation) -> bool {
        self.since = self.waits(sight).then(|| self.since.unwrap_or(sight.now));
        let nobody_works = sight.n_stuck >= sight.n_active;
        // Whoever works may have lost the processor for a moment.
        let is_late = |since| nobody_works || sight.now.saturating_sub(since) >= self.stall_after;
        sight.n_stuck > 0 && self.since.is_some_and(is_late)
    }

    /// Whether something waits that will not have been taken in time at the pace of the last look.
    fn waits(&self, sight: &Observation) -> bool {
        let (n_done, n_waiting, passed) = (u128::from(sight.n_done), sight.n_waiting as u128, sight.passed.as_nanos());
        let is_quick = n_done * SHORT.as_nanos() > passed;
        n_waiting > 0 && (!is_quick || n_waiting * passed > n_done * self.stall_after.as_nanos())
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;
