//! Decides when a start of a child that takes long is reported, and when it has exceeded its timeout. Pure: the caller passes the time.
//!
//! ```text
//!  start       5 s         10 s                    20 s           timeout
//!    ├──────────┬───────────┬───────────────────────┬───── … ────────┤
//!               └ reported  └ reported              └ reported       └ the child is ended, and has failed to start
//! ```

use std::time::Duration;

use crate::timeout::Timeout;

/// A start is reported after this time, or after half of its timeout if that is sooner. It is reported again each time its duration
/// has doubled.
const FIRST_REPORT: Duration = Duration::from_secs(5);

/// Watches one start.
#[derive(Clone, Copy, Debug)]
pub(super) struct StartWatch {
    began: Duration,
    timeout: Timeout,
    /// How long the start has lasted at the next report.
    report_after: Duration,
}

/// What the supervisor has to do about a start that has not finished.
#[must_use = "a start that hangs has to end"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartStep {
    /// Nothing: the start may continue.
    Wait,
    /// The start has lasted for this long.
    Report(Duration),
    /// The start has lasted for at least this long, which is its timeout.
    End(Duration),
}

impl StartWatch {
    /// Begins to watch a start at the time `now`.
    pub(super) fn new(timeout: Timeout, now: Duration) -> StartWatch {
        let report_after = match timeout {
            Timeout::After(timeout) => FIRST_REPORT.min(timeout / 2),
            Timeout::Infinity => FIRST_REPORT,
        };
        // With a timeout of zero there is no report.
        let report_after = if report_after.is_zero() { FIRST_REPORT } else { report_after };
        StartWatch { began: now, timeout, report_after }
    }

    /// Returns the time of the next step.
    pub(super) fn due(&self) -> Duration {
        let after = match self.timeout {
            Timeout::After(timeout) => timeout.min(self.report_after),
            Timeout::Infinity => self.report_after,
        };
        self.began.saturating_add(after)
    }

    /// Returns the step that is due at the time `now`.
    pub(super) fn step(&mut self, now: Duration) -> StartStep {
        let lasted = now.saturating_sub(self.began);
        match self.timeout {
            Timeout::After(timeout) if lasted >= timeout => StartStep::End(timeout),
            _ if lasted >= self.report_after => {
                while self.report_after <= lasted {
                    self.report_after = self.report_after.saturating_mul(2);
                }
                StartStep::Report(lasted)
            }
            _ => StartStep::Wait,
        }
    }
}

#[cfg(test)]
mod tests;
