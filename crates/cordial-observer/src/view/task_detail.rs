//! Everything about one process.

use serde::{Deserialize, Serialize};

use super::{Crash, LogLine, Reference, Rights, Supervision, Task, TreeNode};

/// The answer of `GET /api/tasks/{pid}`, where `pid` is `1.2.3` or `<1.2.3>`. For a process whose crash is in the log, or that was
/// watched when it ended, the status is 410, and for any other pid that is not listed 404, each with a [`Failure`](super::Failure).
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskDetail {
    /// The process.
    pub task: Task,
    /// What this client may do with it.
    pub can: Rights,
    /// The processes that spawned it, nearest first, up to 32.
    pub callers: Vec<Reference>,
    /// Its supervisor or owner, the supervisor of that, and so on, nearest first.
    pub ancestors: Vec<Reference>,
    /// The first 10 processes below it in the tree.
    pub children: Children,
    /// The processes that it is linked to, at most 100.
    pub links: Vec<Reference>,
    /// How many monitors it has.
    pub monitors: usize,
    /// Whether it traps exits.
    pub traps_exits: bool,
    /// What it supervises, if it is a supervisor.
    pub supervision: Option<Supervision>,
    /// The client and the number of requests, if it is a connection that shows them.
    pub connection: Option<Peer>,
    /// The lines that it shows about itself (`process::set_details`), at most 100.
    pub details: Vec<String>,
    /// The last lines that it has logged, oldest first, at most 20; `null` if the program keeps none: see
    /// [`LogLines`](crate::LogLines).
    pub log: Option<Vec<LogLine>>,
    /// How long the polls of all processes that were spawned at its place have lasted, from 1 ms on.
    pub poll_durations: Vec<PollDuration>,
    /// For how long it has not been polled, as far as the observer has seen; `null` if it was polled in the last interval.
    pub quiet_ms: Option<u64>,
    /// The text that the formatter of the program has returned for this process; `null` without a formatter.
    pub note: Option<String>,
    /// The events of its life, oldest first, as far as the observer has seen them.
    pub lifeline: Vec<Moment>,
    /// Its activity since a client first asked for this view of it, for at most 10 minutes.
    pub history: DetailColumns,
    /// The most recent crashes of processes that were spawned at the same place and have the same supervisor, newest first, at
    /// most 10.
    pub crashes: Vec<Crash>,
}

/// The client of a connection.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// The address of the client.
    pub peer: String,
    /// How many requests have arrived.
    pub requests: u64,
}

/// Polls of about the same length.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PollDuration {
    /// The shortest time that is counted here. The longest is less than twice as long; the last entry has no upper bound.
    pub at_least_ms: u64,
    /// How many polls have lasted for such a time.
    pub polls: u64,
}

/// Processes below another one.
#[non_exhaustive]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Children {
    /// How many there are.
    pub total: usize,
    /// The first of them.
    pub rows: Vec<TreeNode>,
}

/// Something that has happened to a process.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Moment {
    /// When it happened.
    pub at_ms: u64,
    /// What: `spawned`, `watched` (a client has asked for it first), `first poll`, `waits` (it was not polled for ten seconds), `woken`,
    /// `long polls`, `shutdown requested`, `exiting`, `abandoned` or `ended`.
    pub what: String,
    /// More about it.
    pub detail: Option<String>,
}

/// What a process did, one point a second, oldest first.
#[non_exhaustive]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DetailColumns {
    /// The distance between two points.
    pub step_ms: u64,
    /// When the first point was taken.
    pub first_at_ms: u64,
    /// Share of the second in which it computed or blocked.
    pub busy: Vec<f32>,
    /// Polls in the second.
    pub polls: Vec<f32>,
    /// Of a server: the messages in its mailbox.
    pub mailbox: Vec<Option<usize>>,
}
