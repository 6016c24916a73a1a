//! Other systems: threads keep their priority.

use std::time::Duration;

/// The identity of a thread of this program. Carries nothing, since nothing can be done with it here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OsThread;

impl OsThread {
    pub(crate) fn current() -> OsThread {
        OsThread
    }

    pub(crate) fn kernel_id(self) -> Option<u32> {
        None
    }

    pub(crate) fn cpu_time(self) -> Option<Duration> {
        None
    }

    pub(crate) fn deprioritize(self) -> bool {
        false
    }
}

pub(crate) fn disable_wakeup_preemption() {}
