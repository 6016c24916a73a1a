//! Streams in progress.

use serde::{Deserialize, Serialize};

/// A row of `GET /api/streams`: a stream in progress, the oldest first.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stream {
    /// The number of the stream.
    pub id: u64,
    /// The process that consumes it, if it is known.
    pub pid: Option<String>,
    /// Its label.
    pub label: Option<String>,
    /// Where it was made.
    pub place: String,
    /// How long it has been in progress.
    pub age_ms: u64,
    /// Items whose tasks run now.
    pub in_flight: usize,
    /// How many may run at once.
    pub max: Option<usize>,
    /// How many items the source has, if it is known.
    pub total: Option<u64>,
    /// Items that were started.
    pub started: u64,
    /// Items with a result that is not an error.
    pub completed: u64,
    /// Items that have failed.
    pub failed: u64,
    /// Attempts that exceeded their timeout.
    pub timed_out: u64,
    /// Attempts after the first one of an item.
    pub retries: u64,
    /// Results that wait for an older item.
    pub buffered: usize,
    /// Finished items per second, in the last interval.
    pub per_second: f64,
}
