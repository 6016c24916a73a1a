//! What a start waits for besides a free slot: time since the one before, a machine that is not too busy, memory.

use std::time::Duration;

use tokio::time::{self, Instant};

use crate::system;

/// How often a busy machine is asked again.
const AGAIN: Duration = Duration::from_millis(200);

/// How often the load is looked at while starts come one after the other: it is an average of a minute.
const LOOK: Duration = Duration::from_millis(100);

/// Conditions for a start.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    pub(crate) delay: Option<Duration>,
    pub(crate) load: Option<f64>,
    pub(crate) memfree: Option<u64>,
    last_start: Option<Instant>,
    last_look: Option<Instant>,
}

impl Gate {
    pub(crate) fn new(delay: Option<Duration>, load: Option<f64>, memfree: Option<u64>) -> Gate {
        Gate { delay, load, memfree, ..Gate::default() }
    }

    /// Waits until a command may start, if need be for ever. With nothing running, a busy machine is not of our making, and still it is
    /// waited for.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn open(&mut self) {
        if let (Some(delay), Some(last)) = (self.delay, self.last_start) {
            time::sleep_until(last + delay).await;
        }
        if self.load.is_some() || self.memfree.is_some() {
            while self.last_look.is_none_or(|last| last.elapsed() >= LOOK) && self.is_busy() {
                time::sleep(AGAIN).await;
            }
            self.last_look.get_or_insert_with(Instant::now);
            if self.last_look.is_some_and(|last| last.elapsed() >= LOOK) {
                self.last_look = Some(Instant::now());
            }
        }
    }

    pub(super) fn count_start(&mut self) {
        if self.delay.is_some() {
            self.last_start = Some(Instant::now());
        }
    }

    /// What the system does not tell does not hold up anything; that it tells was checked at the start.
    fn is_busy(&self) -> bool {
        let is_loaded = self.load.is_some_and(|most| system::load().is_ok_and(|load| load > most));
        is_loaded || self.memfree.is_some_and(|least| system::free_memory().is_ok_and(|free| free < least))
    }
}
