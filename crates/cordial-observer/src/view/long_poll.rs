//! Polls that do not return, while they last.

use serde::{Deserialize, Serialize};

/// A row of `GET /api/long_polls`: a poll that has lasted for 100 ms or more and has not returned; the longest first.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LongPoll {
    /// The process.
    pub pid: String,
    /// The label of the process.
    pub label: Option<String>,
    /// Where the process was spawned.
    pub place: String,
    /// The index of the thread that is in the poll, if it is known.
    pub worker: Option<usize>,
    /// The id of that thread in the kernel, if it is known.
    pub thread: Option<String>,
    /// How long the poll has lasted.
    pub for_ms: u64,
    /// When the poll began.
    pub since_at_ms: u64,
    /// How long polls usually last for processes that were spawned at `place`: 99 of 100 of their polls were shorter than this. Counts only
    /// polls that have returned after about 1 ms or more. `null` if there were fewer than 100 of them.
    pub usual_ms: Option<u64>,
    /// The supervisor of the process.
    pub supervisor: Option<String>,
    /// The label of the supervisor.
    pub supervisor_label: Option<String>,
    /// Whether the process ends when the poll returns, because it was killed or asked to shut down; as of the last reading of the processes.
    pub killed: bool,
}
