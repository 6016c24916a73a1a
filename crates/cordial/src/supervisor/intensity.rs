//! How many restarts are too many. Pure: whoever asks brings the time.
//!
//! ```text
//!  window 5 s, at most 3          ┌───── window ─────┐
//!  restarts    │        │         │  │        │      │ the fourth: too many
//!  ────────────┴────────┴─────────┴──┴────────┴──────┴───► time
//!              └ forgotten ┘
//! ```

use std::collections::VecDeque;
use std::time::Duration;

/// The restarts of one supervisor.
#[derive(Clone, Debug)]
pub(super) struct Intensity {
    limits: Limits,
    /// When the latest restarts were, oldest first; never more than are allowed, and one.
    stamps: VecDeque<Duration>,
}

/// How many restarts are allowed within which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) max_restarts: usize,
    pub(super) window: Duration,
}

/// Elixir's: 3 within 5 s.
impl Default for Limits {
    fn default() -> Limits {
        Limits { max_restarts: 3, window: Duration::from_secs(5) }
    }
}

/// Whether a restart may take place.
#[must_use = "a restart that is too many must not take place"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// As many as are allowed were made within the window that ends now.
    TooMany,
}

impl Intensity {
    pub(super) fn new(limits: Limits) -> Intensity {
        Intensity { limits, stamps: VecDeque::new() }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// A restart is due `now`, which is never earlier than at the last call.
    pub(super) fn restart(&mut self, now: Duration) -> Verdict {
        let Limits { max_restarts, window } = self.limits;
        while self.stamps.front().is_some_and(|stamp| now.saturating_sub(*stamp) > window) {
            self.stamps.pop_front();
        }
        self.stamps.push_back(now);
        if self.stamps.len() <= max_restarts { Verdict::Allowed } else { Verdict::TooMany }
    }
}

#[cfg(test)]
mod tests;
