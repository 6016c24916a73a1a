//! When a task is woken at the latest, because it has asked for that: the *alarm* of the task.

use crate::sync::{AtomicU64, Ordering};

/// The alarm of a task, in its header. Set by the task itself, in its polls. Relaxed: a thread that clears it wakes the task
/// afterwards.
pub(crate) struct Alarm {
    /// In nanoseconds since the start of the executor. 0: no wake-up will come.
    at: AtomicU64,
    /// The timeout that will wake the task. There is none if this is 0 or a timeout that has elapsed.
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

    /// Sets the time, which is not 0. Before the timeout is armed: one that elapses at once clears what was set before it.
    pub(crate) fn set(&self, at: u64) {
        self.at.store(at, Ordering::Relaxed);
    }

    /// Records the timeout that will wake the task, or has.
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
