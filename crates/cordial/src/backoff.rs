//! How long to wait before something that failed is tried again.
//!
//! The waits come from the `backon` crate. What is ours is the meaning of `max`, and that the chance in them belongs to
//! whoever asks, so that a simulated run repeats. Not for deciding whether to try again: that is
//! [`Retry`](crate::Retry).

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// Waits that grow, with jitter, so that many who failed together do not come back together.
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
}

impl Backoff {
    /// The first wait is `first` or up to twice that, by chance; the range doubles each time. No wait is longer than
    /// `max`, and none is shorter than `first` unless `max` is. A `first` of zero never waits.
    #[must_use]
    pub fn exponential(first: Duration, max: Duration) -> Backoff {
        Backoff { first: first.min(max), max }
    }

    /// The waits, one after the other, without end. The same number gives the same waits.
    pub(crate) fn waits(self, random: u64) -> Waits {
        let Backoff { first, max } = self;
        // The jitter adds up to the whole of what it is added to. Half of `max` leaves room for it.
        let steps = ExponentialBuilder::new()
            .with_min_delay(first)
            .with_max_delay((max / 2).max(first))
            .without_max_times()
            .with_jitter()
            .with_jitter_seed(random);
        Waits { steps: steps.build(), max }
    }
}

/// An endless iterator of waits.
#[derive(Debug)]
pub(crate) struct Waits {
    steps: <ExponentialBuilder as BackoffBuilder>::Backoff,
    max: Duration,
}

impl Iterator for Waits {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.steps.next().map(|wait| wait.min(self.max))
    }
}

#[cfg(test)]
mod tests;
