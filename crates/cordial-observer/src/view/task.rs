//! One process, as a row of a table.

use serde::{Deserialize, Serialize};

use super::Mailbox;

/// One live process: a row of `GET /api/tasks`.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Its pid.
    pub pid: String,
    /// The label that it has set. If it has set none: for a supervisor, the label that its builder has set; for a child that is not a task
    /// supervisor, the id of the child.
    pub label: Option<String>,
    /// The id of a child of a supervisor.
    pub child_id: Option<String>,
    /// Which kind of process it is.
    pub kind: Kind,
    /// What it does at this moment.
    pub state: State,
    /// The index of the thread that polls it.
    pub worker: Option<usize>,
    /// How long its current poll has lasted, if it has been in one for more than about 1 ms.
    pub in_poll_ms: Option<u64>,
    /// How long it has waited for a worker, if it is ready now: since its spawn if it was never polled, or else since the first scan in
    /// which it waited.
    pub in_queue_ms: Option<u64>,
    /// How long ago it was spawned.
    pub age_ms: u64,
    /// How long it has computed or blocked in polls.
    pub busy_ms: f64,
    /// Share of the last interval that it spent in polls, where it computed or blocked.
    pub busy_share: f64,
    /// How often it was polled. Wraps after 2^32 polls.
    pub polls: u64,
    /// Polls per second in the last interval.
    pub polls_per_s: f64,
    /// How many of its polls lasted longer than `stall_after`.
    pub long_polls: u32,
    /// How often it was woken by its own poll. Wraps after 2^32 times.
    pub self_wakes: Option<u64>,
    /// Where it was spawned: `file:line:column`.
    pub place: String,
    /// The process that spawned it.
    pub caller: Option<String>,
    /// The label of that process, if it is alive and has one.
    pub caller_label: Option<String>,
    /// Its supervisor, if it is a child.
    pub supervisor: Option<String>,
    /// The label of the supervisor.
    pub supervisor_label: Option<String>,
    /// The process that it belongs to and ends with, if it is a supervisor that belongs to a process.
    pub owner: Option<String>,
    /// The incarnation number of a child; 1 for other processes. The child was restarted `incarnation - 1` times.
    pub incarnation: u32,
    /// How many processes it is linked to.
    pub linked: usize,
    /// Of a server: its mailbox.
    pub mailbox: Option<Mailbox>,
    /// Of a supervisor: how many restarts it has made. Of another child: how often it was restarted.
    pub restarts: u64,
}

/// The kind of a process.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A process of none of the other kinds.
    Task,
    /// The process of `cordial::main`, `cordial::run` or `cordial::testing::run`.
    Root,
    /// A child of a supervisor that is none of the following.
    Child,
    /// A supervisor.
    Supervisor,
    /// A task supervisor.
    TaskSupervisor,
    /// A server.
    Server,
    /// An attempt of an item of a stream.
    StreamItem,
    /// A task of a task set.
    TaskSet,
    /// A process that is marked as a connection, for example by `cordial-http`.
    Connection,
}

/// What a process does at one moment.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A thread polls it.
    Running,
    /// It is ready and waits for a worker.
    Queued,
    /// It waits to be woken.
    Waiting,
    /// It was asked to shut down, has opted in to graceful shutdown, and has not ended yet.
    ShutdownRequested,
    /// It ends when its current poll returns, or else in its next poll.
    Exiting,
    /// It was killed, and its poll does not return.
    Abandoned,
}

/// A row of `GET /api/servers`: a server, the longest mailbox first.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    /// The process, with its mailbox.
    #[serde(flatten)]
    pub task: Task,
    /// Messages that it has handled per second, in the last interval; 0 if the process was spawned in that interval.
    pub handled_per_s: f64,
}
