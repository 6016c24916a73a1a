//! The program at one glance.

use serde::{Deserialize, Serialize};

use super::{Dropped, History, LongPoll, Point, Rights, State, Task, Warning, Worker};

/// The answer of `GET /api/overview`. With `?history=none` the history is empty.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Overview {
    /// The program.
    pub program: Program,
    /// What this client may do.
    pub rights: Rights,
    /// The value of the header `x-cordial-csrf` for `POST /api/actions`.
    pub csrf: String,
    /// The newest point.
    pub now: Point,
    /// The points up to `now`.
    pub history: History,
    /// The threads of the scheduler, by index, at most 64.
    pub workers: Vec<Worker>,
    /// How many processes are in each state.
    pub counts: StateCounts,
    /// The numbers of streams, servers, task sets and connections, which have views of their own.
    pub totals: ViewTotals,
    /// The processes with the largest busy share, at most five; without those that have not computed in the last interval.
    pub busiest: Vec<Task>,
    /// The warnings, the most severe first; at most 20.
    pub warnings: Vec<Warning>,
    /// The long polls of this moment, the longest first; at most 20.
    pub long_polls: Vec<LongPoll>,
    /// How many processes of the runtime have crashed, those that crashed before the observer was started included.
    pub crashes_total: u64,
    /// How many of them have crashed in the last 60 seconds.
    pub crashes_last_minute: u64,
    /// What the observer has dropped.
    pub dropped: Dropped,
}

/// The program.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Program {
    /// The name that the program has set, or else the name of its executable.
    pub name: String,
    /// The id of the process of the operating system.
    pub os_pid: u32,
    /// A random text, which differs for each start of the observer. If it has changed, the program or its observer was restarted.
    pub start_id: String,
    /// When the program was started. If the system does not show that time: when the observer was started.
    pub started_at_ms: u64,
    /// The number of processors that the program may use.
    pub processors: usize,
    /// The version of `cordial` and of this crate: all crates of the workspace have one version.
    pub cordial_version: String,
    /// Whether the runtime was shut down or is being shut down. If so, no process can be spawned, and some may not have ended yet.
    pub closed: bool,
}

/// How many processes are in each [`State`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is documented by the variant of `State` with its name")]
pub struct StateCounts {
    pub running: usize,
    pub waiting: usize,
    pub queued: usize,
    pub shutdown_requested: usize,
    pub exiting: usize,
    pub abandoned: usize,
}

impl StateCounts {
    pub(crate) fn add(&mut self, state: State) {
        *match state {
            State::Running => &mut self.running,
            State::Waiting => &mut self.waiting,
            State::Queued => &mut self.queued,
            State::ShutdownRequested => &mut self.shutdown_requested,
            State::Exiting => &mut self.exiting,
            State::Abandoned => &mut self.abandoned,
        } += 1;
    }
}

/// The numbers of objects that have a view of their own.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewTotals {
    /// Streams in progress.
    pub streams: usize,
    /// Servers.
    pub servers: usize,
    /// Task sets.
    pub task_sets: usize,
    /// Processes that are marked as connections, for example by `cordial-http`.
    pub connections: usize,
}
