//! Conditions for the start of a command, besides a free slot: `--delay`, `--load` and `--memfree`.

use std::time::Duration;

use tokio::time::{self, Instant};

use crate::system;

/// The time between two checks while the machine is busy.
const BUSY_CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// How long commands start without another check after a check that has found the machine not busy.
const CHECK_VALIDITY: Duration = Duration::from_millis(100);

/// The conditions for a start, and the times of the last start and of the last check that passed.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// The least time between two starts.
    delay: Option<Duration>,
    /// The highest load average at which commands start.
    max_load: Option<f64>,
    /// The least free memory, in bytes, at which commands start.
    min_free_memory: Option<u64>,
    last_start: Option<Instant>,
    last_check: Option<Instant>,
}

impl Throttle {
    pub(crate) fn new(delay: Option<Duration>, max_load: Option<f64>, min_free_memory: Option<u64>) -> Throttle {
        Throttle { delay, max_load, min_free_memory, ..Throttle::default() }
    }

    /// Waits until a command may start. The wait has no bound, even if no command runs: other programs may keep the
    /// machine busy.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn wait(&mut self) {
        if let (Some(delay), Some(last)) = (self.delay, self.last_start) {
            time::sleep(delay.saturating_sub(last.elapsed())).await;
        }
        if self.max_load.is_some() || self.min_free_memory.is_some() {
            while self.is_check_due() && self.is_busy() {
                time::sleep(BUSY_CHECK_INTERVAL).await;
            }
            if self.is_check_due() {
                self.last_check = Some(Instant::now());
            }
        }
    }

    pub(super) fn record_start(&mut self) {
        if self.delay.is_some() {
            self.last_start = Some(Instant::now());
        }
    }

    fn is_check_due(&self) -> bool {
        self.last_check.is_none_or(|last| last.elapsed() >= CHECK_VALIDITY)
    }

    /// Returns whether the machine is busy. A value that the system does not report counts as not busy. `Config::new` has checked
    /// that the system reports the values that are used.
    fn is_busy(&self) -> bool {
        let is_loaded = self.max_load.is_some_and(|max| system::load_average().is_ok_and(|load| load > max));
        is_loaded || self.min_free_memory.is_some_and(|min| system::free_memory().is_ok_and(|free| free < min))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_longest_delay_is_waited_for() {
        let mut throttle = Throttle::new(Some(Duration::MAX), None, None);
        throttle.wait().await;
        throttle.record_start();
        assert!(time::timeout(Duration::from_millis(10), throttle.wait()).await.is_err());
    }
}
