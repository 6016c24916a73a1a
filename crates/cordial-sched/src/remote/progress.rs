//! What a worker publishes about its polls. The worker reads no clock: sysmon compares the numbers of polls in each round.
//!
//! ```text
//!  worker (`begin`)          sysmon (`current`, `mark_seen_twice`)   reader (`seen_twice`)
//!  ────────────────          ─────────────────────────────────────   ─────────────────────
//!  1 store the key           1 read the number: odd?                 1 read the number of the poll seen twice
//!  2 store the number, odd   2 read the key                          2 read its time
//!                            3 the number again: the same?           3 `current`: the same number?
//!                            4 seen in the last round:
//!                              store its time, then its number
//! ```
//!
//! No thread waits for another: a reader that comes too late, or between two polls, gets `None`.
//!
//! **Why no poll is reported with the key of another.** A reader that sees a number sees its key or a later one. If it sees a later key,
//! it sees that the number has changed too.
//!
//! **Why no task is reported in two polls.** A worker calls `end` before it gives away a task that is pending
//! (`task/schedule.rs`), so a worker that is late to continue does not seem to poll a task that another worker polls by then.
//!
//! **Why no poll is reported with the time of another.** A reader that sees the number of a poll seen twice sees its time or a later
//! one. If it sees a later time, it sees a later number in `current` too, because sysmon had seen that number.
//!
//! **What each ordering is for.** Each of these changes made a test fail (`progress/tests.rs`):
//!
//! | change | what failed |
//! |---|---|
//! | `begin`: key or number relaxed, or the number first | a poll is reported with the key of another |
//! | `current`: key or number relaxed, or the number not read again | the same |
//! | `mark_seen_twice`: number or time relaxed, or the number first | a poll is reported with the time of another |
//! | `seen_twice`: number or time relaxed | the same |
//! | `seen_twice`: `current` read first, or its number not compared | the same |

use crate::sync::{AtomicU64, Ordering};
use crate::table::Key;

/// The progress of one worker.
#[derive(Debug, Default)]
pub(crate) struct PollProgress {
    /// Twice the number of polls that have returned, plus one during a poll. The *number* of a poll is the value during that
    /// poll, which is odd.
    polls: AtomicU64,
    /// Index and generation of the key of the task that is polled, or was polled last.
    key: AtomicU64,
    /// Batches of tasks that the worker has stolen.
    pub(crate) steals: AtomicU64,
    /// How many times the worker has parked.
    pub(crate) parks: AtomicU64,
    /// Rounds in which sysmon found the worker in a poll.
    pub(crate) busy_samples: AtomicU64,
    /// For how long sysmon has found the worker in polls, in microseconds. Only sysmon writes it.
    pub(crate) busy_us: AtomicU64,
    /// The number of the last poll that sysmon has seen in two rounds, and which has lasted for about a millisecond or more.
    seen_twice: AtomicU64,
    /// When sysmon first saw that poll, in milliseconds of the coarse clock.
    first_seen: AtomicU64,
}

impl PollProgress {
    /// Records that a poll begins.
    pub(crate) fn begin(&self, key: Key) {
        // Release pairs with the second acquire in `current`: a reader of this key sees that the poll before has ended.
        self.key.store(key.to_bits(), Ordering::Release);
        // Release pairs with the first acquire there: a reader of the odd number sees the key.
        self.polls.store(self.polls.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Records that the poll has returned.
    pub(crate) fn end(&self) {
        add(&self.polls, 1);
    }

    /// Returns the number of the poll that lasts now and the key of its task, or `None` between two polls.
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

    /// Records that sysmon has seen this poll in two rounds, first when the coarse clock read `first_seen`.
    pub(crate) fn mark_seen_twice(&self, poll: u64, first_seen: u64) {
        // Both releases pair with the acquires in `seen_twice`: a reader of this time sees the number of its poll in
        // `current`.
        self.first_seen.store(first_seen, Ordering::Release);
        self.seen_twice.store(poll, Ordering::Release);
    }

    /// Returns the key of the poll that lasts now and when sysmon first saw it, if sysmon has seen it in two rounds.
    pub(crate) fn seen_twice(&self) -> Option<(Key, u64)> {
        let seen_twice = self.seen_twice.load(Ordering::Acquire);
        let first_seen = self.first_seen.load(Ordering::Acquire);
        // Read last: if this is still the same poll, the time is not that of a later poll.
        let (poll, key) = self.current()?;
        (poll == seen_twice).then_some((key, first_seen))
    }

    /// Returns whether sysmon has seen the current poll in two rounds. A hint, to be called by the worker in that poll.
    pub(crate) fn is_seen_twice(&self) -> bool {
        self.seen_twice.load(Ordering::Relaxed) == self.polls.load(Ordering::Relaxed)
    }

    /// Returns how many polls have returned.
    pub(crate) fn finished(&self) -> u64 {
        self.polls.load(Ordering::Relaxed) / 2
    }
}

/// Adds to a counter that only this thread writes.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

#[cfg(all(test, cordial_loom))]
mod tests;
