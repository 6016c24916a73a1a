//! The answer to a request that failed.

use serde::{Deserialize, Serialize};

use super::Moment;

/// The body of every answer whose status is 400 or higher.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// What happened and what to do, as a sentence.
    pub error: String,
    /// The parameter that is wrong, if the request failed because of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// How the process ended, if the request was about a process that has ended, and its crash is in the log or it was watched
    /// (status 410).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// How a process has ended.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// Its exit, as a sentence.
    pub exit: String,
    /// When it ended.
    pub at_ms: u64,
    /// The number of its crash, for `GET /api/crashes/{n}`; `null` if it did not crash.
    pub crash: Option<u64>,
    /// What has happened to it, oldest first, as far as the observer has seen it.
    pub lifeline: Vec<Moment>,
}
