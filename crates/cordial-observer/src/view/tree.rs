//! A process in the supervision tree.

use serde::{Deserialize, Serialize};

use super::{Kind, Supervision, Task};

/// A row of `GET /api/tree`: a process, or a child that has no process at the moment.
#[non_exhaustive]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TreeNode {
    /// The process. Its fields are missing for a child that has none.
    #[serde(flatten)]
    pub task: Option<Task>,
    /// How many processes and inactive children are directly below it.
    pub children: usize,
    /// How many processes are below it on all levels.
    pub below: usize,
    /// What it supervises, if it is a supervisor.
    pub supervision: Option<Supervision>,
    /// Processes that look the same, of which only this row is listed; all other fields but `children` are empty then.
    pub alike: Option<Alike>,
    /// Whether this is a child without a process.
    pub inactive: bool,
    /// The id of the child without a process.
    pub inactive_id: Option<String>,
    /// `restarting` (a restart is scheduled) or `stopped`.
    pub inactive_state: Option<String>,
    /// In how long it is started again, if a restart is scheduled and the time is known.
    pub backoff_ms: Option<u64>,
    /// How many processes the child without a process has had.
    pub attempt: Option<u32>,
}

/// Many processes without a name and without children, spawned at one place.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alike {
    /// Where they were spawned.
    pub place: String,
    /// Their kind.
    pub kind: Kind,
    /// How many there are.
    pub count: usize,
}
