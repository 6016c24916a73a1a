//! Everything about one process.

use serde::{Deserialize, Serialize};

use super::{Crash, LogLine, Reference, Rights, Supervision, Task, TreeNode};

/// The answer of `GET /api/tasks/{pid}`, where `pid` is `1.2.3` or `<1.2.3>`. Errors, each with a [`Failure`](super::Failure): 410 if the
/// process has ended, and its crash is in the log or it was watched; 404 for any other pid that is not listed.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskDetail {
    /// The process.
    pub task: Task,
    /// What this client may do with it.
    pub can: Rights,
    /// The process that spawned this one, the process that spawned that one, and so on: nearest first, at most 32.
    pub callers: Vec<Reference>,
    /// The process above it in the tree, the process above that one, and so on, nearest first, up to 100. Above a process is its supervisor; or
    /// else its owner; or else the process that spawned it.
    pub ancestors: Vec<Reference>,
    /// The processes directly below it in the tree, of which the first 10 are listed.
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
    /// The lines that the process shows about itself (`process::set_details`), at most 100. If the closure that was passed to
    /// `set_details` has not returned after 2 s, or was not called because others have not returned, one line says so.
    pub details: Vec<String>,
    /// The last 20 lines that the process has logged, oldest first. `null` if the program does not use
    /// [`LogLines`](crate::LogLines).
    pub log: Option<Vec<LogLine>>,
    /// How long polls lasted for all processes that were spawned at the same place, including processes that have ended.
    pub poll_durations: Vec<PollDuration>,
    /// For how long the process has not been polled, as far as the observer has seen. `null` if the process was polled in the last interval,
    /// or was not watched before.
    pub quiet_ms: Option<u64>,
    /// The text that the formatter of the program ([`Builder::describe`](crate::Builder::describe)) has returned for this process; `null` if there
    /// is none.
    pub note: Option<String>,
    /// The events of the life of the process, oldest first, as far as the observer has seen them.
    pub lifeline: Vec<Moment>,
    /// The activity of the process since the observer began to watch it, or that of the last 10 minutes if that is shorter. The
    /// observer watches the 16 processes for whose details clients have asked last.
    pub history: DetailColumns,
    /// The most recent crashes of processes that were spawned at the same place and have the same supervisor and the same id of a child, newest
    /// first, at most 10.
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
    /// The shortest time that is counted here. The longest is less than twice as long; the entry from 32768 ms on has no upper bound. The
    /// entry of 1 ms also counts polls that were measured as shorter than 1 ms.
    pub at_least_ms: u64,
    /// How many polls have lasted for such a time and have returned.
    pub polls: u64,
}

/// The processes directly below another one.
#[non_exhaustive]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Children {
    /// How many processes are directly below the other one.
    pub total: usize,
    /// The first of them.
    pub rows: Vec<TreeNode>,
}

/// Something that has happened to a process.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Moment {
    /// When the event happened. If that is not known, when the observer noticed the event.
    pub at_ms: u64,
    /// The kind of the event: `spawned`, `watched` (a client has asked for the details of the process, which had been polled before),
    /// `first poll`, `waits` (from this moment on, the process was not polled for 10 seconds), `woken` (the
    /// first poll after `waits`), `long polls`, `shutdown requested`, `exiting`, `abandoned` or `ended`.
    pub what: String,
    /// More about the event.
    pub detail: Option<String>,
}

/// What a process did, one point a second, oldest first. If processes are read less than once a second, each reading is the point of every
/// second since the previous reading.
#[non_exhaustive]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DetailColumns {
    /// The distance between two points.
    pub step_ms: u64,
    /// When the first point was taken.
    pub first_at_ms: u64,
    /// Share of the last interval that the process spent in polls, where it computed or blocked.
    pub busy: Vec<f32>,
    /// Polls per second in the last interval.
    pub polls: Vec<f32>,
    /// Of a server: the messages in its mailbox.
    pub mailbox: Vec<Option<usize>>,
}
