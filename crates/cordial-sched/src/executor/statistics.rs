//! A snapshot of what a scheduler does and has done.

/// What a scheduler does at one moment, and what it has done since it was started.
///
/// The numbers are read one after another while the scheduler runs. Counters are monotonic.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Threads that run tasks, or sleep until there are some. One in a simulation.
    pub workers: usize,
    /// Threads in addition to the workers: blocked in a poll while a stand-in takes their place, parked, or about to exit.
    /// Together with the workers they are at most `max_threads`.
    pub stand_ins: usize,
    /// Blocked threads whose priority was lowered, because more of them computed than there are processors.
    pub deprioritized: usize,
    /// Tasks that were started or woken outside of the workers, and wait for a worker to take them.
    pub injected: usize,
    /// Tasks in the queues of the workers. The task that a worker has woken last, in its LIFO slot, is not counted.
    pub queued: usize,
    /// Polls that have returned.
    pub polls: u64,
    /// Batches of tasks that one worker took from the queue of another.
    pub steals: u64,
    /// Times that a worker went to sleep.
    pub parks: u64,
    /// Polls that lasted longer than `stall_after`, each counted once.
    pub long_polls: u64,
    /// How many times each thread was found in a poll, by the index of the thread. A thread may get the index of a
    /// thread that has exited, and then adds to the same entry. Sampled about once a millisecond while any worker is
    /// awake. Empty in a simulation.
    pub busy_samples: Vec<u64>,
}
