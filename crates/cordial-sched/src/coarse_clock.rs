//! A clock that costs one load and advances only when a thread updates it.
//!
//! Sysmon updates the clock in each of its rounds. While a worker is awake, the clock is usually at most a few
//! milliseconds late. If all workers that are awake are in long polls, the clock is up to 33 ms late, and up to 65 ms
//! while the pool stops. A thread that wakes a sleeping sysmon updates the clock too.
//! Use the clock to measure ages, never to compute a deadline.

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
        // `fetch_max`, because another thread may have advanced the clock further since this thread read the real time. Most calls are in
        // the same millisecond as an earlier call, and write nothing.
        if milliseconds > self.read() {
            self.milliseconds.fetch_max(milliseconds, Ordering::Relaxed);
        }
        milliseconds
    }
}
