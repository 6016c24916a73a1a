//! Linux: `CLOCK_MONOTONIC_COARSE`, which the kernel shows to programs without a system call.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// How late the clock is taken to be, in nanoseconds: two of the longest ticks, because no kernel has fewer than 100 ticks in a second,
/// and a busy virtual machine misses ticks. On one with ticks of 4 ms, the clock was late by up to 14 ms in a minute.
const LATE_BY: u64 = 20_000_000;

/// The clock, and when it was started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TickClock {
    /// On the exact clock, in nanoseconds.
    started: u64,
}

impl TickClock {
    pub(crate) fn start() -> TickClock {
        TickClock { started: nanoseconds(clock_gettime(ClockId::Monotonic)) }
    }

    /// Returns the nanoseconds since the start, and up to 20 ms more. `None` on other systems.
    #[inline]
    pub(crate) fn since_start_or_later(self) -> Option<u64> {
        let late = nanoseconds(clock_gettime(ClockId::MonotonicCoarse));
        Some((late + LATE_BY).saturating_sub(self.started))
    }
}

fn nanoseconds(time: Timespec) -> u64 {
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or(0)
}
