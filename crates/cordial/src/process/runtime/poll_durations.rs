//! How long the polls of the processes of one spawn location have lasted.

use std::time::Duration;

/// How many buckets there are. The first begins at 1 ms. Each but the last reaches to twice its lower bound.
const BUCKETS: usize = 16;

/// One bucket of a histogram: how many polls of the processes of one spawn location had a duration in one range.
///
/// Only polls that the monitor thread of the scheduler has seen twice are counted: those of about a millisecond or more. So short polls
/// cost nothing.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollBucket {
    /// The lower bound of this bucket. The upper bound is twice as much; the last of 16 buckets has none. The first bucket, from 1 ms
    /// on, also has the polls that were measured as shorter than 1 ms.
    pub at_least: Duration,
    /// How many polls with a duration in this bucket have returned.
    pub polls: u64,
}

/// The counters of one spawn location.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PollDurations([u64; BUCKETS]);

impl PollDurations {
    /// Counts a poll that has returned.
    pub(super) fn add(&mut self, lasted: Duration) {
        let milliseconds = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX).max(1);
        let bucket = (milliseconds.ilog2() as usize).min(BUCKETS - 1);
        self.0[bucket] += 1;
    }

    /// Returns the buckets up to the last one that is not empty.
    pub(super) fn buckets(&self) -> Vec<PollBucket> {
        let n = self.0.iter().rposition(|polls| *polls > 0).map_or(0, |last| last + 1);
        let bucket =
            |(index, polls): (usize, &u64)| PollBucket { at_least: Duration::from_millis(1 << index), polls: *polls };
        self.0[..n].iter().enumerate().map(bucket).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::PollDurations;

    #[test]
    fn each_bucket_reaches_to_twice_its_lower_bound() {
        let mut durations = PollDurations::default();
        assert!(durations.buckets().is_empty());
        for milliseconds in [0, 1, 2, 3, 4, 7, 8] {
            durations.add(Duration::from_millis(milliseconds));
        }
        let buckets: Vec<(u128, u64)> =
            durations.buckets().iter().map(|bucket| (bucket.at_least.as_millis(), bucket.polls)).collect();
        assert_eq!(buckets, [(1, 2), (2, 2), (4, 2), (8, 1)]);
        durations.add(Duration::MAX);
        assert_eq!(
            durations.buckets().last().unwrap().at_least,
            Duration::from_millis(1 << 15),
            "the last one has no end"
        );
    }
}
