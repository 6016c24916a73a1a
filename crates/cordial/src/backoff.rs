//! How long to wait before a failed operation is tried again.
//!
//! The delays come from the `backon` crate. This module defines the meaning of `max`, and takes the seed of the jitter from the
//! caller, so that a simulated run is repeatable. Which failures are retried is decided elsewhere: by [`Retry`](crate::Retry) in
//! a stream, by the restart policy in a supervisor.

use std::num::NonZeroU32;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// Exponential delays with jitter, so that operations that failed together are not retried at the same moment.
///
/// # Examples
///
/// ```
/// use cordial::Backoff;
/// use std::time::Duration;
///
/// // 100 to 200 ms, then 200 to 400, then 400 to 800, and at last between 5 and 10 s each time.
/// let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10));
/// # let _ = backoff;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    /// After this many failures in a row, the operation is not tried again. `None`: no limit.
    max_failures: Option<NonZeroU32>,
}

impl Backoff {
    /// Creates delays from `first` on: the first delay is random between `first` and twice `first`, and the range doubles each
    /// time until it is `max / 2` to `max`. No delay is longer than `max`, or shorter than the smaller of `first` and `max`. With a
    /// `first` of zero every delay is zero.
    #[must_use]
    pub fn exponential(first: Duration, max: Duration) -> Backoff {
        Backoff { first: first.min(max), max, max_failures: None }
    }

    /// Sets how many failures in a row are too many: after the `n`th one, the operation is not tried again. Default: no limit.
    ///
    /// When a child has failed `n` times in a row, its supervisor gives up, as it does when its restarts exceed
    /// [`max_restarts`](crate::SupervisorBuilder::max_restarts). If the child has never started, the start of the supervisor fails with the
    /// error of the child. The count starts again once the child has run for longer than `max`. If all delays are zero, a supervisor
    /// ignores `n`. An item of a stream has at most `n` attempts.
    ///
    /// # Panics
    ///
    /// If `n` is 0, since the first failure is number 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use cordial::Backoff;
    /// use std::time::Duration;
    ///
    /// let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10)).give_up_after(20);
    /// # let _ = backoff;
    /// ```
    #[must_use]
    #[track_caller]
    pub fn give_up_after(self, n: u32) -> Backoff {
        let n =
            NonZeroU32::new(n).expect("`give_up_after(0)`: the first failure is number 1; use 1 to give up at once");
        Backoff { max_failures: Some(n), ..self }
    }

    /// Returns the longest delay.
    pub(crate) fn max(self) -> Duration {
        self.max
    }

    /// Returns whether `n_failures` failures in a row are too many to try the operation again.
    pub(crate) fn is_over_after(self, n_failures: u32) -> bool {
        self.max_failures.is_some_and(|max_failures| n_failures >= max_failures.get())
    }

    /// Returns whether all delays are zero.
    pub(crate) fn is_zero(self) -> bool {
        self.first.is_zero()
    }

    /// Returns an endless iterator of delays. The same seed gives the same delays.
    pub(crate) fn delays(self, seed: u64) -> Delays {
        let Backoff { first, max, .. } = self;
        // The jitter adds up to 100 % of a delay, so delays without jitter may grow to half of `max`.
        let steps = ExponentialBuilder::new()
            .with_min_delay(first)
            .with_max_delay((max / 2).max(first))
            .without_max_times()
            .with_jitter()
            .with_jitter_seed(seed);
        Delays { steps: steps.build(), max }
    }
}

/// An endless iterator of delays.
#[derive(Debug)]
pub(crate) struct Delays {
    steps: <ExponentialBuilder as BackoffBuilder>::Backoff,
    max: Duration,
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.steps.next().map(|delay| delay.min(self.max))
    }
}

#[cfg(test)]
mod tests;
