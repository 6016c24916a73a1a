//! The *alarm* of a task: the time at which the task has asked to be woken at the latest.

use crate::sync::{AtomicU64, Ordering};

/// The alarm of a task, in its header. Set by the task itself, in its polls, and cleared by the task or when its timeout elapses.
/// Relaxed: when the timeout has elapsed, a thread clears the alarm first and wakes the task then, so the poll that follows sees that the
/// alarm is cleared (`task/slot.rs` says why).
pub(crate) struct Alarm {
    /// In nanoseconds since the start of the executor. 0: no alarm is set, and a task that goes on waiting has to set one.
    at: AtomicU64,
    /// The number of the timeout that wakes the task at that time. Without an alarm: 0, or the number of the last timeout. It has elapsed, or
    /// is still armed if the timer thread was late and has cleared the time for an earlier timeout (`executor/alarm.rs`).
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

    /// Sets the time, which is not 0. Must be called before the timeout is armed: a timeout that elapses at once clears the time, which must
    /// not be set after that.
    pub(crate) fn set(&self, at: u64) {
        self.at.store(at, Ordering::Relaxed);
    }

    /// Records the timeout of the alarm, which may have elapsed already.
    pub(crate) fn set_timeout(&self, timeout: u64) {
        self.timeout.store(timeout, Ordering::Relaxed);
    }

    /// Clears the time, because the timeout has elapsed. The caller wakes the task after that.
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
