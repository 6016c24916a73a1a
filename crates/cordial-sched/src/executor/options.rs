//! How an executor of threads is built.

use std::time::Duration;

/// Options of [`Executor::start`](crate::Executor::start).
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Worker threads, and as many threads of tokio beside them. At least one.
    pub workers: usize,
    /// How long one poll may last before it counts as long.
    pub stall_after: Duration,
    /// The most worker threads at once. At least `workers`.
    pub max_threads: usize,
    /// Whether a thread that is stuck in one poll may be given a lower priority by the system.
    pub deprioritize_long_polls: bool,
}
