//! Stops the run when too many items have failed.

use std::sync::atomic::{AtomicU64, Ordering};

use super::token::{StopLevel, StopToken};

/// What `--halt` and `--fail-fast` ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HaltPolicy {
    /// All items run, however many fail.
    Never,
    /// Like `now,fail=1`; the exit status of the program is the status of the failed item.
    FailFast,
    /// Stop when this many items have failed.
    After { threshold: Threshold, mode: HaltMode },
}

/// What happens to running commands when the run is halted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HaltMode {
    /// They may finish.
    Soon,
    /// They receive SIGTERM, and SIGKILL after the grace period.
    Now,
}

/// How many failed items halt the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threshold {
    Count(u64),
    /// A percentage of all items, whose number must be known.
    Percent(u64),
}

/// Counts failed items, and stops the run when the threshold is reached.
#[derive(Debug)]
pub(crate) struct FailureCounter {
    policy: HaltPolicy,
    total: u64,
    failed: AtomicU64,
    /// The status of the item that reached the threshold; 0 until then.
    status: AtomicU64,
}

impl FailureCounter {
    /// `total` is the number of all items; it is used only for `Threshold::Percent`.
    pub(crate) fn new(policy: HaltPolicy, total: u64) -> Self {
        FailureCounter { policy, total, failed: AtomicU64::new(0), status: AtomicU64::new(0) }
    }

    /// Counts an item that failed in its last attempt, with this exit status.
    pub(crate) fn count(&self, status: u8, stop: &StopToken) {
        let failed = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
        let (mode, threshold) = match self.policy {
            HaltPolicy::Never => return,
            HaltPolicy::FailFast => (HaltMode::Now, 1),
            HaltPolicy::After { threshold: Threshold::Count(count), mode } => (mode, count),
            HaltPolicy::After { threshold: Threshold::Percent(percent), mode } => {
                (mode, (self.total * percent).div_ceil(100))
            }
        };
        if failed >= threshold {
            let _ = self.status.compare_exchange(0, u64::from(status), Ordering::Relaxed, Ordering::Relaxed);
            stop.raise(match mode {
                HaltMode::Soon => StopLevel::Drain,
                HaltMode::Now => StopLevel::Terminate,
            });
        }
    }

    /// Returns the status of the item that ended the run, if the policy is `FailFast` and an item has failed.
    pub(crate) fn fail_fast_status(&self) -> Option<u8> {
        let status = self.status.load(Ordering::Relaxed);
        (self.policy == HaltPolicy::FailFast && status > 0).then_some(status as u8)
    }
}
