//! A clock that costs one load: it shows when somebody read the real one last.
//!
//! The watch sets it with each look. While the watch sleeps nobody does, so whoever wakes the watch sets it as well. It is
//! good for ages; no deadline is ever computed from it.

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

    /// Milliseconds since the start, as of the last `set`.
    pub(crate) fn read(&self) -> u64 {
        self.milliseconds.load(Ordering::Relaxed)
    }

    /// Reads the real clock.
    pub(crate) fn set(&self) -> u64 {
        let milliseconds = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.milliseconds.store(milliseconds, Ordering::Relaxed);
        milliseconds
    }
}
