//! The time of day, for what is shown to people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since the Unix epoch that never go back: the time of day at the start, and a monotonic clock from there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch_at_start: Duration,
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        let epoch_at_start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { epoch_at_start, start: Instant::now() }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        in_ms(self.epoch_at_start + self.start.elapsed())
    }

    pub(crate) fn started_at_ms(&self) -> u64 {
        in_ms(self.epoch_at_start)
    }

    /// Returns the time of something that happened this long ago.
    pub(crate) fn ago_ms(&self, ago: Duration) -> u64 {
        self.now_ms().saturating_sub(in_ms(ago))
    }
}

/// Returns the milliseconds of a duration; `u64::MAX` if there are more.
pub(crate) fn in_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
