//! What a supervisor reports about itself for a snapshot.

use std::fmt;
use std::sync::Arc;

use crate::pid::Pid;

/// What a supervisor supervises, and how.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Supervision {
    /// Which kind of supervisor it is.
    pub kind: SupervisorKind,
    /// The incarnation number of the supervisor itself, from 1.
    pub incarnation: u32,
    /// How many restarts it has made.
    pub restarts: u64,
    /// The maximum number of children that may run at once; `None` is no limit.
    pub max_children: Option<usize>,
    /// How many children have a process.
    pub n_running: usize,
    /// The children that have no process.
    pub inactive: Vec<InactiveChild>,
}

/// The kind of a supervisor. `Display` prints the name of the strategy as Elixir writes it, and `tasks` for a task
/// supervisor.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SupervisorKind {
    /// A [`Supervisor`](crate::Supervisor) with [`Strategy::OneForOne`](crate::Strategy::OneForOne).
    OneForOne,
    /// A [`Supervisor`](crate::Supervisor) with [`Strategy::OneForAll`](crate::Strategy::OneForAll).
    OneForAll,
    /// A [`Supervisor`](crate::Supervisor) with [`Strategy::RestForOne`](crate::Strategy::RestForOne).
    RestForOne,
    /// A [`TaskSupervisor`](crate::TaskSupervisor).
    Tasks,
}

impl fmt::Display for SupervisorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SupervisorKind::OneForOne => "one_for_one",
            SupervisorKind::OneForAll => "one_for_all",
            SupervisorKind::RestForOne => "rest_for_one",
            SupervisorKind::Tasks => "tasks",
        })
    }
}

/// A child of a supervisor that has no process at the moment.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InactiveChild {
    /// The id of the child.
    pub id: Arc<str>,
    /// Whether the supervisor is going to start it again.
    pub state: InactiveState,
}

impl InactiveChild {
    pub(crate) fn new(id: Arc<str>, state: InactiveState) -> InactiveChild {
        InactiveChild { id, state }
    }
}

/// What a supervisor does about a child that has no process.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InactiveState {
    /// A restart is scheduled.
    Restarting,
    /// The child has ended or was terminated, and is started again only by a call.
    Stopped,
}

/// Implemented by the state of a supervisor, so that a snapshot can show it.
pub(crate) trait Supervise: fmt::Debug + Send + Sync {
    /// Describes the supervisor. Called while no lock of the process table is held.
    fn supervision(&self) -> Supervision;

    /// Returns whether the supervisor waits for this child to start.
    fn is_starting(&self, child: Pid) -> bool;
}
