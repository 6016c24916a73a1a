//! The answer to a request that failed.

use serde::{Deserialize, Serialize};

use super::Moment;

/// The body of each answer whose status is 400 or higher, except for the answers to requests that are not valid HTTP.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// What happened and what to do, as a sentence.
    pub error: String,
    /// The parameter that is wrong, if the request failed because of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is known about the end of the process, if the request was about a process that has ended, and the observer remembers it: the crash
    /// of the process is in the log, or a client had requested its details. The status is then 410.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// What the observer knows about the end of a process.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// The exit of the process, as a sentence. If the log has no crash of the process: that it did not crash, or that this is not known.
    pub exit: String,
    /// When the process crashed. If the log has no crash of the process: when the observer noticed the end.
    pub at_ms: u64,
    /// The number of the crash, for `GET /api/crashes/{n}`. `null` if the process did not crash, or if the log no longer has the crash.
    pub crash: Option<u64>,
    /// The events of the life of the process, oldest first, as far as the observer has seen them.
    pub lifeline: Vec<Moment>,
}
