//! The clock of the pool. OS processes live in real time, also where a test has a virtual clock.

use std::time::{Duration, Instant};

/// Longer times are cut to this one, a hundred years, which can be added to any `Instant`.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[expect(clippy::disallowed_methods, reason = "OS processes know no virtual time")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Returns the time that is this much later than another one.
pub(super) fn later(time: Instant, by: Duration) -> Instant {
    time + by.min(LONGEST)
}
