//! The connections of network servers.

use serde::{Deserialize, Serialize};

/// A row of `GET /api/connections`: a process that is marked as a connection. `cordial-http` marks the processes of its connections. The oldest
/// row comes first.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connection {
    /// The process of the connection.
    pub pid: String,
    /// The label of the process.
    pub label: Option<String>,
    /// The address of the client, if the server reports it with `process::set_connection`. `cordial-http` does.
    pub peer: Option<String>,
    /// What the process does.
    pub state: super::State,
    /// How many requests have arrived, if the server reports that.
    pub requests: Option<u64>,
    /// How long ago the process was spawned.
    pub age_ms: u64,
    /// Share of the last interval that the process spent in polls, where it computed or blocked.
    pub busy_share: f64,
    /// The supervisor of the process, if it is a child.
    pub supervisor: Option<String>,
}
