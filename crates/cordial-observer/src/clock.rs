//! The time of day, for what is shown to people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// A clock in milliseconds since the Unix epoch that never goes back: it reads the time of day once, and then follows a monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    unix_time_at_start: Duration,
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        let unix_time_at_start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { unix_time_at_start, start: Instant::now() }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        in_ms(self.unix_time_at_start + self.start.elapsed())
    }

    pub(crate) fn started_at_ms(&self) -> u64 {
        in_ms(self.unix_time_at_start)
    }

    /// Returns the time that was this long ago.
    pub(crate) fn before_now_ms(&self, ago: Duration) -> u64 {
        self.now_ms().saturating_sub(in_ms(ago))
    }
}

/// Returns the milliseconds of a duration; `u64::MAX` if there are more.
pub(crate) fn in_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
