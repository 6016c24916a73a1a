//! A snapshot of what a scheduler does and has done.

use std::time::Duration;

use crate::table::Key;

/// What a scheduler does at one moment, and what it has done since it was started.
///
/// The numbers are read one after another while the scheduler runs. Counters are monotonic.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Threads that run tasks, or sleep until there are some. One in a simulation.
    pub workers: usize,
    /// Threads in addition to the workers: blocked in a poll, parked, or about to exit. For each blocked thread, another
    /// thread, its stand-in, is one of the workers. The workers and these threads are at most `max_threads`.
    pub stand_ins: usize,
    /// Blocked threads whose priority was lowered, because more of them computed than there are processors.
    pub deprioritized: usize,
    /// Tasks in the injector, from which every worker takes tasks: they were started or woken outside of the workers, or moved from a
    /// worker that is in a long poll or has stopped.
    pub injected: usize,
    /// Tasks in the queues of the workers. The task that a worker has woken last, in its LIFO slot, is not counted. In a simulation, all
    /// ready tasks.
    pub queued: usize,
    /// Polls that have returned.
    pub polls: u64,
    /// Batches of tasks that one worker took from the queue of another.
    pub steals: u64,
    /// How many times a worker went to sleep.
    pub parks: u64,
    /// Polls that lasted longer than `stall_after`, each counted once.
    pub long_polls: u64,
    /// How many times each thread was found in a poll, by the index of the thread. A thread may get the index of a
    /// thread that has exited, and then adds to the same entry. Sampled about once a millisecond while any worker is
    /// awake. Empty in a simulation.
    pub busy_samples: Vec<u64>,
}

/// What one thread that runs tasks does at one moment, and what the threads with its index have done so far.
///
/// Counters are monotonic. A thread may get the index of a thread that has exited, and then adds to the same counters.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadStatistics {
    /// The number of the thread, from 0, as in [`Statistics::busy_samples`].
    pub index: usize,
    /// Whether the thread is active, blocked, parked or about to exit.
    pub state: WorkerState,
    /// The task that it polls.
    pub polled: Option<Key>,
    /// How long that poll has lasted; up to two milliseconds too short. `None` if there is no poll, or if the poll has lasted for less
    /// than about a millisecond.
    pub in_poll: Option<Duration>,
    /// Tasks in its queue and in its LIFO slot.
    pub queued: usize,
    /// How long it was in polls. Sampled about once a millisecond: exact for long polls, an estimate for short ones.
    pub busy: Duration,
    /// Polls that have returned.
    pub polls: u64,
    /// Batches of tasks that it took from the queues of other threads.
    pub steals: u64,
    /// How many times it went to sleep.
    pub parks: u64,
    /// The number of the thread in the kernel, as tools such as `top -H` show it. `None` if the system is not Linux, if `/proc`
    /// does not show the thread, and while the first thread with this index starts.
    pub kernel_id: Option<u32>,
}

/// The state of a thread of a scheduler at one moment.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// It runs tasks, or sleeps until there are some.
    Active,
    /// Another thread is active instead: this one is in a long poll, or has not noticed yet that it was replaced.
    Blocked {
        /// Whether its priority was lowered, because more blocked threads computed than there are processors.
        is_deprioritized: bool,
    },
    /// It was replaced and is in no poll. It waits to become active again, and exits after 10 s.
    Parked,
    /// It is about to exit.
    Exiting,
}
