//! Streams in progress.

use serde::{Deserialize, Serialize};

/// A row of `GET /api/streams`: a stream in progress. Those with failures come first, and then the oldest.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stream {
    /// The number of the stream.
    pub id: u64,
    /// The process that polled the stream first, if a process did.
    pub pid: Option<String>,
    /// The label of that process, if it is alive and has one.
    pub label: Option<String>,
    /// Where the stream was created, which is where its items are spawned.
    pub place: String,
    /// How long ago the stream was polled first.
    pub age_ms: u64,
    /// Items that are running, or wait for their next attempt.
    pub in_flight: usize,
    /// How many may run at once.
    pub max: Option<usize>,
    /// How many items the source has, if it is known.
    pub total: Option<u64>,
    /// Items that were started.
    pub started: u64,
    /// Items that have returned a value.
    pub completed: u64,
    /// Items that have failed and are not retried.
    pub failed: u64,
    /// Attempts that exceeded their timeout.
    pub timed_out: u64,
    /// Retries that were scheduled. A retry that waits for its backoff is counted already.
    pub retries: u64,
    /// Results that wait for the consumer or for an older item.
    pub buffered: usize,
    /// Finished items per second, since a request for the streams about a second or longer ago; at the first request, since the first poll.
    pub per_second: f64,
}
