//! What a worker publishes about its polls.

use crate::Key;
use crate::sync::{AtomicU64, Ordering};

/// What a worker tells of its polls. It reads no clock: the watch compares the counts.
#[derive(Debug, Default)]
pub(crate) struct PollProgress {
    /// Twice those that have returned, and odd while polling.
    polls: AtomicU64,
    /// Index and generation of the key in the poll.
    key: AtomicU64,
    pub(crate) steals: AtomicU64,
    pub(crate) parks: AtomicU64,
    /// How often the watch found the thread in a poll.
    pub(crate) busy_samples: AtomicU64,
    /// The number of a poll that the watch has seen twice.
    long: AtomicU64,
    /// When the watch saw it first, in milliseconds of the coarse clock.
    long_since: AtomicU64,
}

impl PollProgress {
    pub(crate) fn begin(&self, key: Key) {
        // Release pairs with the second acquire in `current`: whoever sees this key sees that the poll before has ended.
        self.key.store(key.to_bits(), Ordering::Release);
        // Release pairs with the first acquire there: whoever sees the odd count sees the key.
        self.polls.store(self.polls.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    pub(crate) fn end(&self) {
        add(&self.polls, 1);
    }

    /// The number of the poll that lasts now, and whose it is. `None` between two polls as well.
    pub(crate) fn current(&self) -> Option<(u64, Key)> {
        let polls = self.polls.load(Ordering::Acquire);
        if polls.is_multiple_of(2) {
            return None;
        }
        let key = self.key.load(Ordering::Acquire);
        // The key may be the next poll's already.
        let is_same = self.polls.load(Ordering::Relaxed) == polls;
        Key::from_bits(key).filter(|_| is_same).map(|key| (polls, key))
    }

    /// The watch has seen this poll before, first at this time of the coarse clock.
    pub(crate) fn is_long(&self, poll: u64, since: u64) {
        // Both releases pair with the acquires in `long_poll`: whoever sees the time of this poll sees its count in `current`.
        self.long_since.store(since, Ordering::Release);
        self.long.store(poll, Ordering::Release);
    }

    /// Whose poll lasts now, and since when, if the watch has seen it twice.
    pub(crate) fn long_poll(&self) -> Option<(Key, u64)> {
        let long = self.long.load(Ordering::Acquire);
        let since = self.long_since.load(Ordering::Acquire);
        // Asked last: if it is still the same, the time is not that of a later poll.
        let (poll, key) = self.current()?;
        (poll == long).then_some((key, since))
    }

    /// Whether the watch has seen the poll before in which this is asked. Only a hint, and only for the thread itself.
    pub(crate) fn is_in_long_poll(&self) -> bool {
        self.long.load(Ordering::Relaxed) == self.polls.load(Ordering::Relaxed)
    }

    /// Polls that have returned.
    pub(crate) fn finished(&self) -> u64 {
        self.polls.load(Ordering::Relaxed) / 2
    }
}

/// Counts for a counter that one thread writes and others read.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

#[cfg(all(test, cordial_loom))]
mod tests;
