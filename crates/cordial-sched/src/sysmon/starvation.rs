//! Whether tasks have waited for so long behind long polls that a stand-in is worth the thread that it takes.
//!
//! An additional thread competes for the processors, and waking it costs more than running a few short tasks. So tasks
//! that will be taken soon are left to the workers that take them. While at least one worker makes progress, tasks may
//! wait for `stall_after`, just as a poll may last for that long before it counts as long.

use std::time::Duration;

use crate::remote::SHORT_POLL;

/// What sysmon sees in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observation {
    pub(crate) now: Duration,
    /// The time since the round before.
    pub(crate) elapsed: Duration,
    /// Polls that have returned since the round before.
    pub(crate) n_finished: u64,
    /// Tasks in the queues.
    pub(crate) n_waiting: usize,
    /// Active threads.
    pub(crate) n_active: usize,
    /// Active threads in long polls.
    pub(crate) n_stuck: usize,
}

/// The state that is kept from one round to the next.
#[derive(Debug)]
pub(crate) struct StarvationDetector {
    stall_after: Duration,
    /// When tasks began to wait too long. `None` while none does.
    since: Option<Duration>,
}

impl StarvationDetector {
    pub(crate) fn new(stall_after: Duration) -> StarvationDetector {
        StarvationDetector { stall_after, since: None }
    }

    /// Called once in each round. Returns whether it is time for a stand-in.
    pub(crate) fn observe(&mut self, observation: &Observation) -> bool {
        self.since = self.is_waiting(observation).then(|| self.since.unwrap_or(observation.now));
        let are_all_stuck = observation.n_stuck >= observation.n_active;
        // A worker that is not stuck may have lost its processor for a moment: give it time.
        let is_late = |since| are_all_stuck || observation.now.saturating_sub(since) >= self.stall_after;
        observation.n_stuck > 0 && self.since.is_some_and(is_late)
    }

    /// Returns whether tasks wait too long: since the round before, polls took a microsecond or more on average, or so few polls
    /// returned that at this pace the tasks would not all be taken within `stall_after`.
    fn is_waiting(&self, observation: &Observation) -> bool {
        let (n_finished, n_waiting) = (u128::from(observation.n_finished), observation.n_waiting as u128);
        let elapsed = observation.elapsed.as_nanos();
        let is_quick = n_finished * SHORT_POLL.as_nanos() > elapsed;
        n_waiting > 0 && (!is_quick || n_waiting * elapsed > n_finished * self.stall_after.as_nanos())
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;
