//! Conditions for the start of a command, besides a free slot: `--delay`, `--load` and `--memfree`.

use std::time::Duration;

use tokio::time::{self, Instant};

use crate::system;

/// The time between two checks while the machine is busy.
const BUSY_CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// After a check that has passed, commands start without another check for this long.
const CHECK_VALIDITY: Duration = Duration::from_millis(100);

/// How long a start is delayed before the reason is printed. A load that is exceeded only for a moment needs no message.
const REPORT_AFTER: Duration = Duration::from_secs(5);

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
    /// When the machine was first found busy. `None` after a check that passed.
    busy_since: Option<Instant>,
    /// Whether no reason for waiting is to be printed: because one was printed, or because the run is quiet.
    is_reported: bool,
}

impl Throttle {
    pub(crate) fn new(delay: Option<Duration>, max_load: Option<f64>, min_free_memory: Option<u64>) -> Throttle {
        Throttle { delay, max_load, min_free_memory, ..Throttle::default() }
    }

    /// If `is_quiet` is true, the reason for a long wait is not printed.
    pub(crate) fn quiet(self, is_quiet: bool) -> Throttle {
        Throttle { is_reported: is_quiet, ..self }
    }

    /// Waits until a command may start. The wait has no bound, even if no command runs: other programs may keep the
    /// machine busy. So `report` gets the reason of the first wait that takes long while `is_idle`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn wait(&mut self, is_idle: impl Fn() -> bool, report: impl Fn(&str)) {
        if let (Some(delay), Some(last)) = (self.delay, self.last_start) {
            time::sleep(delay.saturating_sub(last.elapsed())).await;
        }
        if self.max_load.is_some() || self.min_free_memory.is_some() {
            while self.is_check_due()
                && let Some(reason) = self.busy_reason()
            {
                let since = *self.busy_since.get_or_insert_with(Instant::now);
                if !self.is_reported && is_idle() && since.elapsed() >= REPORT_AFTER {
                    self.is_reported = true;
                    report(&reason);
                }
                time::sleep(BUSY_CHECK_INTERVAL).await;
            }
            self.busy_since = None;
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

    /// Returns why the machine is too busy for a start; `None` if it is not. A value that the system does not report counts as not
    /// busy. `Config::new` has checked that the system reports the values that are used.
    fn busy_reason(&self) -> Option<String> {
        let load = self.max_load.and_then(|max| {
            let load = system::load_average().ok().filter(|load| *load > max)?;
            Some(format!("the load average is {load}, and --load allows a start up to {max}"))
        });
        load.or_else(|| {
            let min = self.min_free_memory?;
            let free = system::free_memory().ok().filter(|free| *free < min)?;
            Some(format!("{} MiB of memory are free, and --memfree asks for {} MiB", free >> 20, min >> 20))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_longest_delay_is_waited_for() {
        let mut throttle = Throttle::new(Some(Duration::MAX), None, None);
        throttle.wait(|| true, |_| ()).await;
        throttle.record_start();
        assert!(time::timeout(Duration::from_millis(10), throttle.wait(|| true, |_| ())).await.is_err());
    }
}
