//! Task sets.

use serde::{Deserialize, Serialize};

/// A row of `GET /api/task_sets`: a task set, the oldest first.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskSet {
    /// The number of the set.
    pub id: u64,
    /// The process that made it, if it is known.
    pub pid: Option<String>,
    /// The label of that process.
    pub label: Option<String>,
    /// Where it was made.
    pub place: String,
    /// Tasks that run.
    pub live: usize,
    /// Tasks that have returned a value.
    pub completed: u64,
    /// Tasks that have failed.
    pub failed: u64,
    /// Results that were not taken yet.
    pub buffered: usize,
    /// How many tasks may run at once.
    pub max: Option<usize>,
    /// How long ago it was made.
    pub age_ms: u64,
}
