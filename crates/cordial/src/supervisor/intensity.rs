//! Restart intensity: how many restarts are allowed within a window of time. Pure: the caller passes the time.
//!
//! ```text
//!  3 restarts within 5 s          ┌──── 5 s ─────┐
//!  restarts    │        │         │  │     │     │ the fourth within 5 s: too many
//!  ────────────┴────────┴─────────┴──┴─────┴─────┴──► time
//!              └ older than 5 s: dropped
//! ```

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::process::RestartIntensity;

/// Counts the restarts of one supervisor.
#[derive(Clone, Debug)]
pub(super) struct Intensity {
    limit: RestartLimit,
    /// The times of the last restart and of those within the window before it, oldest first: at most one more than the limit allows.
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

/// The intensity of a supervisor, which snapshots can read. Only the process of the supervisor counts restarts.
#[derive(Debug)]
pub(super) struct SharedIntensity(Mutex<Intensity>);

impl SharedIntensity {
    pub(super) fn new(limit: RestartLimit) -> SharedIntensity {
        SharedIntensity(Mutex::new(Intensity::new(limit)))
    }

    /// Locks the intensity. No user code may run meanwhile.
    pub(super) fn lock(&self) -> MutexGuard<'_, Intensity> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all restarts: the next incarnation of the supervisor starts.
    pub(super) fn reset(&self) {
        let mut intensity = self.lock();
        *intensity = Intensity::new(intensity.limit);
    }

    /// Describes the limit and how much of it is used at the time `now`.
    pub(super) fn describe(&self, now: Duration) -> RestartIntensity {
        let intensity = self.lock();
        let RestartLimit { max_restarts, window } = intensity.limit;
        RestartIntensity { max_restarts, window, used: intensity.n_recent(now) }
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

    /// Returns how many restarts are within the window that ends at the time `now`.
    fn n_recent(&self, now: Duration) -> usize {
        self.restarts.iter().filter(|time| now.saturating_sub(**time) <= self.limit.window).count()
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
