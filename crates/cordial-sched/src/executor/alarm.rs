//! The alarms of tasks: waits of one task that have a limit share one timeout. Most waits end long before their limits, so a timeout
//! for each of them would cost more than the wait.
//!
//! A task that waits with a limit asks to be woken at the deadline *at the latest*. An earlier wake-up, armed for an earlier wait, is
//! good enough: the task then asks again, if it still waits. So a task that makes many short waits, each with a limit of 5 s, arms one
//! timeout every 5 s.
//!
//! ```text
//!  wait 1, until 5.0 s ── armed: 5.0 s
//!  wait 2, until 5.1 s     5.0 s is early enough
//!  …
//!  5.0 s: woken; nothing is waited for ── not armed
//!  wait 9, until 10.2 s ── armed: 10.2 s
//! ```
//!
//! A sweep of the timer thread may go through all armed timeouts. So alarms that are far away are rounded down to times that many alarms
//! share: 50 000 tasks that wait with limits of 5 s cause four sweeps per second instead of a thousand. A task that still waits at the
//! rounded time is polled once more, and then asks for the exact one.
//!
//! Only the task itself sets its alarm, in its polls. The timer thread removes the timeout, clears the alarm, and wakes the task. The
//! poll that follows sees that the alarm is cleared (`task/slot.rs` says why). If the timer thread is late and clears the next alarm
//! of the task instead, the task sets that alarm again in the poll that follows.

use std::task::Poll;
use std::time::Duration;

use crate::executor::handle::{Executor, Scheduler};
use crate::task::task_ref::TaskRef;
use crate::timeout::{ArmedTimeout, Instant};

/// Alarms that are far away come due at multiples of this, in nanoseconds: 2^28, about a quarter of a second.
const ROUNDED_TO: u64 = 1 << 28;

/// Deadlines of waits that are at least this long, in nanoseconds, are taken from the tick clock where there is one.
const LONG: u64 = 1_000_000_000;

/// An alarm is far away if it is due after this. A task that waits for long is then polled early by a quarter of its limit at most.
const FAR_AWAY: Duration = Duration::from_nanos(4 * ROUNDED_TO);

/// A time on the clock of an executor.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// When the executor was started.
    started: Instant,
    /// In nanoseconds since then. Never 0.
    at: u64,
}

impl Executor {
    /// Returns the time at which `after` will have passed: exactly, or, if `after` is at least a second, up to 20 milliseconds
    /// later, because an exact clock costs more. `None` if that is more than 584 years (`u64::MAX` nanoseconds) after the start of the
    /// executor.
    #[inline]
    pub fn deadline(&self, after: Duration) -> Option<Deadline> {
        let core = self.core();
        let started = core.started;
        if after >= Duration::from_nanos(LONG)
            && let Scheduler::Threads(_) = core.scheduler
            && let Some(since_start) = core.tick_clock.since_start_or_later()
        {
            let after = u64::try_from(after.as_nanos()).ok()?;
            return Some(Deadline { started, at: since_start.checked_add(after)? });
        }
        let at = self.now().saturating_duration_since(started).checked_add(after)?;
        Some(Deadline { started, at: u64::try_from(at.as_nanos()).ok()?.max(1) })
    }

    /// Begins a wait of `task`, as [`deadline`](Executor::deadline) and [`poll_deadline`](Executor::poll_deadline) do, if its limit is at
    /// least a second. Returns the deadline as [`Deadline::to_bits`] does. `None`, if the wait has to begin in another way: for shorter
    /// limits, for deadlines out of range or in the past, in a simulation, and on systems without a tick clock.
    #[inline]
    pub fn begin_long_wait(&self, task: &TaskRef, nanoseconds: u64) -> Option<u64> {
        let core = self.core();
        if nanoseconds < LONG || matches!(core.scheduler, Scheduler::Simulated(_)) {
            return None;
        }
        let at = core.tick_clock.since_start_or_later()?.checked_add(nanoseconds)?;
        // As in `poll_deadline`: false without an alarm.
        if task.alarm().at().wrapping_sub(1) < at {
            return Some(at);
        }
        self.set_alarm(task, Deadline { started: core.started, at }).is_pending().then_some(at)
    }

    /// Makes a deadline of the number that [`Deadline::to_bits`] has returned for this executor.
    #[inline]
    #[must_use]
    pub fn deadline_from_bits(&self, bits: u64) -> Deadline {
        Deadline { started: self.core().started, at: bits }
    }

    /// Returns whether a deadline has passed. If not, the task is woken at the deadline or earlier.
    ///
    /// `task` is the task that the calling thread polls, and belongs to this executor. As long as the task waits, each
    /// of its polls must call this again. Early wake-ups are common. In a forked process the task is not woken.
    #[inline]
    pub fn poll_deadline(&self, task: &TaskRef, deadline: Deadline) -> Poll<()> {
        let started = self.core().started;
        let at = if deadline.started == started {
            deadline.at
        } else {
            nanoseconds(deadline.time().saturating_duration_since(started))
        };
        // Without an alarm, `at()` is 0: it wraps to the largest number, and the condition is false.
        if task.alarm().at().wrapping_sub(1) < at {
            return Poll::Pending;
        }
        self.set_alarm(task, Deadline { started, at })
    }

    fn set_alarm(&self, task: &TaskRef, deadline: Deadline) -> Poll<()> {
        if self.is_forked() {
            return Poll::Pending;
        }
        let left = deadline.time().saturating_duration_since(self.now());
        if left.is_zero() {
            return Poll::Ready(());
        }
        self.clear_alarm(task);
        let alarm = deadline.rounded(left);
        task.alarm().set(alarm.at);
        let timeout = self.common().timeouts.arm_alarm(alarm.time(), task.clone());
        task.alarm().set_timeout(timeout.to_bits());
        Poll::Pending
    }

    /// Clears the alarm of a task that ends. In a forked process, the timeout stays armed.
    #[inline]
    pub fn clear_alarm(&self, task: &TaskRef) {
        if let Some(timeout) = task.alarm().take()
            && !self.is_forked()
        {
            self.common().timeouts.disarm_alarm(ArmedTimeout::from_bits(timeout), task);
        }
    }
}

impl Deadline {
    /// Returns the deadline as a number that is not 0, if it is a time on the clock of this executor.
    #[inline]
    #[must_use]
    pub fn to_bits(self, executor: &Executor) -> Option<u64> {
        (self.started == executor.core().started).then_some(self.at)
    }

    /// Returns the time as the clock of its executor shows it.
    #[must_use]
    pub fn time(self) -> Instant {
        self.started + Duration::from_nanos(self.at)
    }

    /// Returns the time of the alarm for this deadline, which is in the future. `left` is the time until the deadline.
    fn rounded(self, left: Duration) -> Deadline {
        if left <= FAR_AWAY { self } else { Deadline { at: self.at - self.at % ROUNDED_TO, ..self } }
    }
}

/// Returns a duration in nanoseconds, and at least 1.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;
