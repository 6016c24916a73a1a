//! Linux: `CLOCK_MONOTONIC_COARSE`, which a program reads without a system call.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// By how much the clock may be late, in nanoseconds: two ticks of the slowest kernels (10 ms each), because a busy virtual machine
/// misses ticks. On such a machine with ticks of 4 ms, the largest lag within a minute was 14 ms.
const LATE_BY: u64 = 20_000_000;

/// The clock, with the time from which it counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TickClock {
    /// On the exact clock, in nanoseconds.
    started: u64,
}

impl TickClock {
    pub(crate) fn start() -> TickClock {
        TickClock { started: nanoseconds(clock_gettime(ClockId::Monotonic)) }
    }

    /// Returns the nanoseconds since the start, plus at most 20 ms. If the clock is late by more than 20 ms, the result is less than the
    /// time since the start. `None` on other systems.
    #[inline]
    pub(crate) fn since_start_or_later(self) -> Option<u64> {
        let late = nanoseconds(clock_gettime(ClockId::MonotonicCoarse));
        Some((late + LATE_BY).saturating_sub(self.started))
    }
}

fn nanoseconds(time: Timespec) -> u64 {
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or(0)
}
