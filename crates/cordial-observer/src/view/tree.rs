//! A process in the supervision tree.

use serde::{Deserialize, Serialize};

use super::{Kind, Supervision, Task};

/// A row of `GET /api/tree`: a process, a child that has no process at the moment, or many processes that look the same.
#[non_exhaustive]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TreeNode {
    /// The process. Its fields are missing in the other rows.
    #[serde(flatten)]
    pub task: Option<Task>,
    /// How many processes and inactive children are directly below it; in a row of `alike`, how many processes it stands for.
    pub children: usize,
    /// How many processes are below it on all levels; in a row of `alike`, as `children`.
    pub below: usize,
    /// What it supervises, if it is a supervisor.
    pub supervision: Option<Supervision>,
    /// The processes that this row stands for, if they look the same. The other fields are then empty, except for `children` and `below`.
    pub alike: Option<Alike>,
    /// Whether this is a child without a process.
    pub inactive: bool,
    /// The id of the child without a process.
    pub inactive_id: Option<String>,
    /// `restarting` (its supervisor is going to start it again) or `stopped`.
    pub inactive_state: Option<String>,
    /// After how long the child is started again, if a restart is scheduled and its time is known.
    pub backoff_ms: Option<u64>,
    /// How many processes the child has had, before it had none.
    pub attempt: Option<u32>,
}

/// Many processes without a label and without children, spawned at one place.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alike {
    /// Where the processes were spawned.
    pub place: String,
    /// The kind of the first process.
    pub kind: Kind,
    /// How many processes there are.
    pub count: usize,
}
