//! Restart intensity: how many restarts are allowed within a window of time. Pure: the caller passes the time.
//!
//! ```text
//!  3 restarts within 5 s          ┌──── 5 s ─────┐
//!  restarts    │        │         │  │     │     │ the fourth within 5 s: too many
//!  ────────────┴────────┴─────────┴──┴─────┴─────┴──► time
//!              └ older than 5 s: dropped
//! ```

use std::collections::VecDeque;
use std::time::Duration;

/// Counts the restarts of one supervisor.
#[derive(Clone, Debug)]
pub(super) struct Intensity {
    limit: RestartLimit,
    /// The times of the restarts within the window, oldest first: at most one more than the limit allows.
    restarts: VecDeque<Duration>,
}

/// How many restarts are allowed within which window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RestartLimit {
    pub(super) max_restarts: usize,
    pub(super) window: Duration,
}

impl RestartLimit {
    /// # Panics
    ///
    /// If `window` is zero.
    #[track_caller]
    pub(super) fn new(max_restarts: usize, window: Duration) -> RestartLimit {
        assert!(
            !window.is_zero(),
            "`max_restarts` with a window of zero counts nothing; use a longer one, such as 5 s"
        );
        RestartLimit { max_restarts, window }
    }
}

/// The default of Elixir: 3 restarts within 5 s.
impl Default for RestartLimit {
    fn default() -> RestartLimit {
        RestartLimit { max_restarts: 3, window: Duration::from_secs(5) }
    }
}

/// Whether one more restart is allowed.
#[must_use = "a restart beyond the limit must not take place"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitCheck {
    Allowed,
    /// With this restart, the window that ends now contains more restarts than the limit allows.
    Exceeded,
}

impl Intensity {
    pub(super) fn new(limit: RestartLimit) -> Intensity {
        Intensity { limit, restarts: VecDeque::new() }
    }

    pub(super) fn limit(&self) -> RestartLimit {
        self.limit
    }

    /// Counts a restart at the time `now`, which must not be earlier than that of the previous call.
    pub(super) fn count_restart(&mut self, now: Duration) -> LimitCheck {
        let RestartLimit { max_restarts, window } = self.limit;
        while self.restarts.front().is_some_and(|time| now.saturating_sub(*time) > window) {
            self.restarts.pop_front();
        }
        self.restarts.push_back(now);
        if self.restarts.len() <= max_restarts { LimitCheck::Allowed } else { LimitCheck::Exceeded }
    }
}

#[cfg(test)]
mod tests;
