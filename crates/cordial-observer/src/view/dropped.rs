//! What the observer has dropped.

use serde::{Deserialize, Serialize};

/// Counters of what the observer has dropped. The page shows those that are not 0 in red.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Crashes that were never seen, because the library had dropped them: too many happened at once, or before the observer was started.
    pub crashes: u64,
    /// Seconds without a point in the history, because the thread of the observer got no processor, or was busy with an answer.
    pub points: u64,
    /// Clients that were disconnected because they did not read.
    pub clients: u64,
    /// Connections that were closed because too many were open: new ones, and old ones of clients that were not admitted yet.
    pub connections: u64,
    /// Processes that are in no table, because there are more than the observer may keep.
    pub tasks: u64,
}
