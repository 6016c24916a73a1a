//! A process that another one is related to.

use serde::{Deserialize, Serialize};

/// Another process.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reference {
    /// Its pid.
    pub pid: String,
    /// Its label, or else the place where it was spawned; `null` if it has ended.
    pub label: Option<String>,
    /// Whether it is alive.
    pub alive: bool,
}
