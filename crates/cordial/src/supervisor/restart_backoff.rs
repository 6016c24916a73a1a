//! The delays of restarts: a child with a backoff is restarted after growing delays, and its restarts are not counted. Pure:
//! the caller passes the time and the seed of the jitter.
//!
//! ```text
//!  start ─► failure 1 ─ delay ─► failure 2 ─ longer delay ─► … ─ longest delay ─► failure n ─ longest delay ─► …
//!   ▲                                                                                │
//!   └──────────────── an incarnation has run for longer than the longest delay ◄─────┘
//! ```

use std::time::Duration;

use super::intensity::{Intensity, LimitCheck, RestartLimit};
use crate::backoff::{Backoff, Delays};

/// The backoff of one child, and its failures in a row.
#[derive(Debug)]
pub(super) struct RestartBackoff {
    backoff: Backoff,
    /// The delays before further restarts. `None` before the first failure in a row.
    delays: Option<Delays>,
    n_failures: u32,
}

/// The limit that one more restart would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExceededLimit {
    /// The restart intensity of the supervisor.
    Intensity(RestartLimit),
    /// The child has failed this often in a row, which is the limit of its backoff.
    Failures(u32),
}

impl RestartBackoff {
    /// Returns `None` for a backoff whose delays are zero: it delays nothing, so the restarts are counted.
    pub(super) fn new(backoff: Backoff) -> Option<RestartBackoff> {
        (!backoff.is_zero()).then_some(RestartBackoff { backoff, delays: None, n_failures: 0 })
    }

    /// Records that an incarnation has run for this long after it had finished starting.
    pub(super) fn record_run(&mut self, time: Duration) {
        if time > self.backoff.max() {
            self.start_over();
        }
    }

    /// Forgets the failures so far.
    pub(super) fn start_over(&mut self) {
        self.delays = None;
        self.n_failures = 0;
    }

    /// Returns how often the child has failed in a row.
    pub(super) fn n_failures(&self) -> u32 {
        self.n_failures
    }

    /// Records a failure, and returns the delay before the next start.
    pub(super) fn failed(&mut self, seed: u64) -> Result<Duration, ExceededLimit> {
        self.n_failures = self.n_failures.saturating_add(1);
        if self.backoff.is_over_after(self.n_failures) {
            return Err(ExceededLimit::Failures(self.n_failures));
        }
        let delays = self.delays.get_or_insert_with(|| self.backoff.delays(seed));
        Ok(delays.next().expect("a backoff has no last delay"))
    }
}

/// Returns the delay before the restart of a child that has failed. A restart without a backoff is counted, and has no delay.
pub(super) fn next_restart(
    backoff: Option<&mut RestartBackoff>,
    intensity: &mut Intensity,
    now: Duration,
    seed: u64,
) -> Result<Duration, ExceededLimit> {
    match backoff {
        Some(backoff) => backoff.failed(seed),
        None => match intensity.count_restart(now) {
            LimitCheck::Allowed => Ok(Duration::ZERO),
            LimitCheck::Exceeded => Err(ExceededLimit::Intensity(intensity.limit())),
        },
    }
}

#[cfg(test)]
mod tests;
