//! When failures end the whole run.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::stop::token::{Level, Stop};

/// What `--halt` and `--fail-fast` ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// All items run.
    Never,
    /// As `now,fail=1`, and the program ends with the status of that item.
    FailFast,
    Halt {
        when: When,
        failed: Share,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// What runs may end by itself.
    Soon,
    /// What runs is asked to stop.
    Now,
}

/// How many failed items are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    Number(u64),
    /// Of all items, of which there are then known to be so many.
    Percent(u64),
}

/// Counts failures, and stops the run at the one too many.
#[derive(Debug)]
pub(crate) struct Halt {
    policy: Policy,
    total: u64,
    failed: AtomicU64,
    /// What `--fail-fast` ends with; 0 while nothing has failed.
    status: AtomicU64,
}

impl Halt {
    /// `total` matters for percentages only.
    pub(crate) fn new(policy: Policy, total: u64) -> Self {
        Halt { policy, total, failed: AtomicU64::new(0), status: AtomicU64::new(0) }
    }

    /// An item has failed for good, with this status.
    pub(crate) fn count_failure(&self, status: u8, stop: &Stop) {
        let failed = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
        let (when, enough) = match self.policy {
            Policy::Never => return,
            Policy::FailFast => (When::Now, 1),
            Policy::Halt { when, failed: Share::Number(number) } => (when, number),
            Policy::Halt { when, failed: Share::Percent(percent) } => (when, (self.total * percent).div_ceil(100)),
        };
        if failed >= enough {
            let _ = self.status.compare_exchange(0, u64::from(status), Ordering::Relaxed, Ordering::Relaxed);
            stop.raise(match when {
                When::Soon => Level::Soon,
                When::Now => Level::Now,
            });
        }
    }

    /// The status of the item that ended the run, where it is that of the program.
    pub(crate) fn status(&self) -> Option<u8> {
        let status = self.status.load(Ordering::Relaxed);
        (self.policy == Policy::FailFast && status > 0).then_some(status as u8)
    }
}
