//! What the program does at one moment, and what it did in the past.

use serde::{Deserialize, Serialize};

/// What the program does at one moment, or did in the second before it. In a program with very many processes, the processes are counted less
/// often than once a second: until the next count, the numbers of processes come from the last count.
#[non_exhaustive]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Point {
    /// When.
    pub at_ms: u64,
    /// Share of the second in which each thread of the scheduler was in a poll, by the index of the thread; at most 64.
    /// There are more entries than workers once a long poll has needed a stand-in, which is a thread of its own.
    pub workers: Vec<f32>,
    /// Busy share of all workers together; more than 1 if blocked threads and their stand-ins are in polls at the same time.
    pub utilization: f32,
    /// Threads that run tasks, or sleep until there are some.
    pub threads: usize,
    /// Threads in addition to those: blocked in a long poll, parked, or about to exit.
    pub stand_ins: usize,
    /// Tasks that are ready and wait for a worker.
    pub queued: usize,
    /// Live processes.
    pub live: u64,
    /// Processes that were spawned, per second.
    pub spawned: f32,
    /// Processes that ended, per second, crashes included.
    pub ended: f32,
    /// Processes that crashed, per second.
    pub crashed: f32,
    /// Polls per second.
    pub polls: f32,
    /// Polls longer than `stall_after`, per second.
    pub long_polls: f32,
    /// Batches of tasks that one worker took from the queue of another, per second.
    pub steals: f32,
    /// Processors that the program uses: 1.5 is one and a half. `null` if the system does not show it.
    pub cpu: Option<f32>,
    /// Resident memory of the program, in bytes. `null` if the system does not show it.
    pub rss_bytes: Option<u64>,
}

/// The past, kept by the server, so that a page that is loaded again shows it.
#[non_exhaustive]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct History {
    /// One point per second, for 10 minutes.
    pub seconds: Columns,
    /// One point per 10 seconds, for 6 hours. Each point is the mean of the seconds that were measured; its `threads` come from the last second.
    pub ten_seconds: Columns,
}

/// Points of time, oldest first: one column for each number of a [`Point`] but `steals`. All columns have the same length; a step that was not
/// measured is `null`.
#[non_exhaustive]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Columns {
    /// The distance between two points.
    pub step_ms: u64,
    /// When the first point was taken.
    pub first_at_ms: u64,
    /// A column for each thread: [`Point::workers`].
    pub workers: Vec<Vec<Option<f32>>>,
    /// [`Point::utilization`].
    pub utilization: Vec<Option<f32>>,
    /// [`Point::threads`].
    pub threads: Vec<Option<f32>>,
    /// [`Point::stand_ins`].
    pub stand_ins: Vec<Option<f32>>,
    /// [`Point::queued`].
    pub queued: Vec<Option<f32>>,
    /// [`Point::live`].
    pub live: Vec<Option<f64>>,
    /// [`Point::spawned`].
    pub spawned: Vec<Option<f32>>,
    /// [`Point::ended`].
    pub ended: Vec<Option<f32>>,
    /// [`Point::crashed`].
    pub crashed: Vec<Option<f32>>,
    /// [`Point::polls`].
    pub polls: Vec<Option<f32>>,
    /// [`Point::long_polls`].
    pub long_polls: Vec<Option<f32>>,
    /// [`Point::cpu`].
    pub cpu: Vec<Option<f32>>,
    /// [`Point::rss_bytes`].
    pub rss_bytes: Vec<Option<u64>>,
}
