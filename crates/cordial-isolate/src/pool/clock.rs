//! The clock of the pool. It shows real time even in a test with a virtual clock, because OS processes run in real time.

use std::time::{Duration, Instant};

/// A hundred years. Longer times are shortened to this one, so that their sum with an `Instant` does not overflow.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[expect(clippy::disallowed_methods, reason = "OS processes know no virtual time")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Returns the time that is later than `time` by the duration `by`.
pub(super) fn later(time: Instant, by: Duration) -> Instant {
    time + by.min(LONGEST)
}
