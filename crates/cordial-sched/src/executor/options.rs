//! The options of an executor with threads.

use std::time::Duration;

/// The upper bound of `max_threads`: the executor allocates a table with a slot for each thread.
const MAX_THREADS: usize = 1 << 16;

/// Options of [`Executor::start`](crate::Executor::start).
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The number of worker threads, and of tokio's threads beside them. At least one.
    pub workers: usize,
    /// How long one poll may last before it is a long poll.
    pub stall_after: Duration,
    /// The most worker threads at once, stand-ins included. At least `workers`. A number above 65 536 counts as 65 536, or as `workers`
    /// if that is more.
    pub max_threads: usize,
    /// Whether threads that compute in long polls get a lower priority from the operating system, if there are more of
    /// them than processors.
    pub deprioritize_long_polls: bool,
    /// Whether `start` first checks that the system grants all threads at once. The check takes as long as the rest of the start. Without
    /// it, a program that is refused a thread may be left with some memory and files, and the error says less.
    pub check_threads: bool,
}

impl Options {
    /// Returns how many worker threads there may be at once.
    pub(super) fn thread_limit(&self) -> usize {
        self.max_threads.min(MAX_THREADS.max(self.workers))
    }
}
