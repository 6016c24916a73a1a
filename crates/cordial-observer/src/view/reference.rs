//! A process that another one is related to.

use serde::{Deserialize, Serialize};

/// Another process.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reference {
    /// The pid of the process.
    pub pid: String,
    /// The label of the process. Without a label, the place where the process was spawned. `null` if the process has ended.
    pub label: Option<String>,
    /// Whether the process is alive.
    pub alive: bool,
}
