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
    /// The process that it polls.
    pub pid: Option<String>,
    /// The label of that process, if it has one and the last reading of the processes had the process.
    pub label: Option<String>,
    /// Where that process was spawned, if the last reading of the processes had the process.
    pub place: Option<String>,
    /// How long the poll has lasted, if that is more than about 1 ms.
    pub since_ms: Option<u64>,
    /// Tasks in its own queue.
    pub queue: Option<usize>,
}

/// What a thread of the scheduler does.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// It polls tasks.
    Running,
    /// It is in no poll: it sleeps until there is a task, or looks for one.
    Idle,
    /// Another thread runs tasks in its place: it is in a long poll, or has not noticed yet that it was replaced.
    Blocked,
    /// It is a spare thread that sleeps until it is needed again, or is about to exit.
    Parked,
}
