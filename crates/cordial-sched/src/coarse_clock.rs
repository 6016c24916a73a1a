//! A clock that costs one load and advances only when a thread updates it.
//!
//! Sysmon updates the clock once in each of its rounds, so it is usually at most a few milliseconds late while any
//! worker is awake. A thread that wakes a sleeping sysmon updates the clock too. Use it to measure ages, never to compute a deadline.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

#[derive(Debug)]
pub(crate) struct CoarseClock {
    started: Instant,
    milliseconds: AtomicU64,
}

impl CoarseClock {
    #[expect(clippy::disallowed_methods, reason = "an age is real time")]
    pub(crate) fn start() -> CoarseClock {
        CoarseClock { started: Instant::now(), milliseconds: AtomicU64::new(0) }
    }

    /// Returns the milliseconds between the start and the last [`update`](CoarseClock::update).
    pub(crate) fn read(&self) -> u64 {
        self.milliseconds.load(Ordering::Relaxed)
    }

    /// Advances this clock to the real time. Returns the milliseconds since the start.
    pub(crate) fn update(&self) -> u64 {
        let milliseconds = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Not a store: this thread may have been interrupted after it read the real time, and others have advanced the clock meanwhile.
        // Most calls are within the millisecond of an earlier one, and write nothing.
        if milliseconds > self.read() {
            self.milliseconds.fetch_max(milliseconds, Ordering::Relaxed);
        }
        milliseconds
    }
}
