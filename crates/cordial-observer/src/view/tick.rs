//! The event that the server sends once a second.

use serde::{Deserialize, Serialize};

use super::{Dropped, LongPoll, Point, StateCounts, Task, ViewTotals, Warning, Worker};

/// The data of the event `tick` of `GET /api/events`: what changes of the [`Overview`](super::Overview). The first one is sent at once.
///
/// A client that reads slowly gets fewer of them, each the newest at that moment. One that reads nothing for 20 s is disconnected, except by the
/// server into which an observer is mounted.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tick {
    /// As in [`Program::start_id`](super::Program::start_id).
    pub start_id: String,
    /// As in [`Program::closed`](super::Program::closed).
    pub closed: bool,
    /// The newest point.
    pub now: Point,
    /// As in [`Overview::workers`](super::Overview::workers).
    pub workers: Vec<Worker>,
    /// As in [`Overview::counts`](super::Overview::counts).
    pub counts: StateCounts,
    /// As in [`Overview::busiest`](super::Overview::busiest).
    pub busiest: Vec<Task>,
    /// As in [`Overview::totals`](super::Overview::totals).
    pub totals: ViewTotals,
    /// As in [`Overview::warnings`](super::Overview::warnings).
    pub warnings: Vec<Warning>,
    /// As in [`Overview::long_polls`](super::Overview::long_polls).
    pub long_polls: Vec<LongPoll>,
    /// As in [`Overview::crashes_total`](super::Overview::crashes_total).
    pub crashes_total: u64,
    /// As in [`Overview::crashes_last_minute`](super::Overview::crashes_last_minute).
    pub crashes_last_minute: u64,
    /// What the observer has dropped.
    pub dropped: Dropped,
}
