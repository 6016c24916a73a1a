//! What an executor has done so far, and what it does now.

use crate::pool::Pool;
use crate::sync::Ordering;

/// Numbers of one executor at one moment.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Threads that run tasks, or sleep until there are some.
    pub workers: usize,
    /// Threads beyond the workers: stuck in a poll while a stand-in does their work, or resting.
    pub stand_ins: usize,
    /// Threads that the system runs after the others, because they computed for long.
    pub lowered: usize,
    /// Tasks that came from outside and wait.
    pub injected: usize,
    /// Tasks that wait in the queues of the workers.
    pub queued: usize,
    /// Polls that have returned.
    pub polls: u64,
    /// Batches of tasks that one worker took from another.
    pub steals: u64,
    /// Times that a worker went to sleep.
    pub parks: u64,
    /// Polls that lasted longer than `stall_after`.
    pub long_polls: u64,
    /// For each thread, how often it was found in a poll; looked at about once a millisecond.
    pub busy_samples: Vec<u64>,
}

impl Statistics {
    pub(crate) fn take(pool: &Pool) -> Statistics {
        let strength = pool.crew().strength();
        let (injected, queued) = pool.queues.lengths();
        let mut statistics = Statistics {
            workers: strength.active,
            stand_ins: strength.lent + strength.resting,
            lowered: strength.lowered,
            injected,
            queued,
            long_polls: pool.watch.long_polls.load(Ordering::Relaxed),
            ..Statistics::default()
        };
        for (_, seat) in pool.queues.seats() {
            let progress = &seat.progress;
            statistics.polls += progress.finished();
            statistics.steals += progress.steals.load(Ordering::Relaxed);
            statistics.parks += progress.parks.load(Ordering::Relaxed);
            statistics.busy_samples.push(progress.busy_samples.load(Ordering::Relaxed));
        }
        statistics
    }
}
