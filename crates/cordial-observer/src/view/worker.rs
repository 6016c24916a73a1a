//! One thread of the scheduler.

use serde::{Deserialize, Serialize};

/// One thread of the scheduler at one moment.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Worker {
    /// Its index.
    pub index: usize,
    /// Share of the last second in which it was in a poll.
    pub busy: f32,
    /// What it does.
    pub state: WorkerState,
    /// The process that it polls, if it is known.
    pub pid: Option<String>,
    /// The label of that process.
    pub label: Option<String>,
    /// Where that process was spawned.
    pub place: Option<String>,
    /// How long the poll has lasted.
    pub since_ms: Option<u64>,
    /// Tasks in its queue, if it is known.
    pub queue: Option<usize>,
}

/// What a thread of the scheduler does.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// It polls tasks.
    Running,
    /// It sleeps until there is a task.
    Idle,
    /// It is in a long poll, and a stand-in runs tasks in its place.
    Blocked,
    /// It is a spare thread that sleeps until it is needed as a stand-in.
    Parked,
}
