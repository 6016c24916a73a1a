//! What a scheduler has done so far, and what it does now.

/// What a scheduler does at one moment, and what it has done since it was started.
///
/// The numbers are read one after the other while everything goes on. Those of what was done never go back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Threads that run tasks, or sleep until there are some. One in a simulation.
    pub workers: usize,
    /// Threads beyond the workers: stuck in a poll while a stand-in does their work, resting, or about to end. With the
    /// workers they are `max_threads` at most.
    pub stand_ins: usize,
    /// Threads that the system runs after the others, because they compute for long. They count as stand-ins too.
    pub deprioritized: usize,
    /// Tasks that were started or woken outside of the workers, are ready to run, and wait for a worker to take them.
    pub injected: usize,
    /// Tasks that are ready to run, in the queues of the workers. The one that a worker has woken last is not counted.
    pub queued: usize,
    /// Polls that have returned.
    pub polls: u64,
    /// Batches of tasks that one worker took from the queue of another.
    pub steals: u64,
    /// Times that a worker went to sleep.
    pub parks: u64,
    /// Polls that lasted longer than `stall_after`, each counted once.
    pub long_polls: u64,
    /// How often each thread was found in a poll, those that have ended included. SearchResult at about once a millisecond
    /// while anything runs. Empty in a simulation.
    pub busy_samples: Vec<u64>,
}
