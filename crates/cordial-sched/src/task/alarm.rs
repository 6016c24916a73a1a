//! The *alarm* of a task: the time at which the task has asked to be woken at the latest.

use crate::sync::{AtomicU64, Ordering};

/// The alarm of a task, in its header. Set by the task itself, in its polls, and cleared by the task or when its timeout elapses.
/// Relaxed: a thread that clears it for a timeout wakes the task afterwards.
pub(crate) struct Alarm {
    /// In nanoseconds since the start of the executor. 0: no wake-up will come.
    at: AtomicU64,
    /// The number of the timeout that wakes the task at that time. Without an alarm, 0 or the number of a timeout that
    /// has elapsed.
    timeout: AtomicU64,
}

impl Alarm {
    pub(crate) fn new() -> Alarm {
        Alarm { at: AtomicU64::new(0), timeout: AtomicU64::new(0) }
    }

    #[inline]
    pub(crate) fn at(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }

    /// Sets the time, which is not 0. Must be called before the timeout is armed: if that elapses at once, it has to clear this time.
    pub(crate) fn set(&self, at: u64) {
        self.at.store(at, Ordering::Relaxed);
    }

    /// Records the timeout of the alarm, which may have elapsed already.
    pub(crate) fn set_timeout(&self, timeout: u64) {
        self.timeout.store(timeout, Ordering::Relaxed);
    }

    /// Records that the timeout has elapsed: no wake-up is to come.
    pub(crate) fn record_elapsed(&self) {
        self.at.store(0, Ordering::Relaxed);
    }

    /// Clears the alarm. Returns the timeout, which the caller disarms.
    #[inline]
    pub(crate) fn take(&self) -> Option<u64> {
        let timeout = self.timeout.load(Ordering::Relaxed);
        if timeout == 0 {
            return None;
        }
        self.timeout.store(0, Ordering::Relaxed);
        self.at.store(0, Ordering::Relaxed);
        Some(timeout)
    }
}
