//! Task sets.

use serde::{Deserialize, Serialize};

/// A row of `GET /api/task_sets`: a task set that has spawned a task and was not dropped. Those with failures come first, and
/// then the oldest.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskSet {
    /// The number of the set.
    pub id: u64,
    /// The process that has spawned its first task, if a process has.
    pub pid: Option<String>,
    /// The label of that process, if it is alive and has one.
    pub label: Option<String>,
    /// Where its first task was spawned.
    pub place: String,
    /// Tasks that have not ended.
    pub live: usize,
    /// Tasks that have ended with a value.
    pub completed: u64,
    /// Tasks that have ended without a value.
    pub failed: u64,
    /// Results that have arrived and were not taken.
    pub buffered: usize,
    /// How many tasks may run at once; `null` is no limit.
    pub max: Option<usize>,
    /// How long ago its first task was spawned.
    pub age_ms: u64,
}
