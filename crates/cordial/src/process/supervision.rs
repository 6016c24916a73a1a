//! What a supervisor reports about itself for a snapshot.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::error::StartError;
use crate::pid::Pid;

/// What a supervisor supervises, and how.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Supervision {
    /// Which kind of supervisor it is.
    pub kind: SupervisorKind,
    /// The incarnation number of the supervisor itself, from 1.
    pub incarnation: u32,
    /// How many restarts of children it has scheduled. A restart that restarts siblings too counts once.
    pub restarts: u64,
    /// How many of its restarts count within a window of time, and how many it allows. Restarts with a backoff do not count.
    pub intensity: RestartIntensity,
    /// The maximum number of children that may run at once; `None` is no limit.
    pub max_children: Option<usize>,
    /// How many children have a process.
    pub n_running: usize,
    /// How many of these have not finished starting.
    pub n_starting: usize,
    /// The children that have no process, not even an abandoned one.
    pub inactive: Vec<InactiveChild>,
}

/// The restart intensity of a supervisor: it gives up when its children would need more restarts within the window.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartIntensity {
    /// How many restarts are allowed within the window.
    pub max_restarts: usize,
    /// The length of the window.
    pub window: Duration,
    /// How many restarts are within the window that ends now.
    pub used: usize,
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
    /// The number of its last incarnation, from 1. 0 if the child was never started.
    pub incarnation: u32,
    /// After which time it is started again. Zero if the restart is due. `None` if no restart is scheduled, or its time is not
    /// decided yet.
    pub restart_in: Option<Duration>,
    /// How often it has failed in a row, if it has a backoff.
    pub failures: Option<u32>,
}

impl InactiveChild {
    pub(crate) fn new(id: Arc<str>, state: InactiveState, incarnation: u32) -> InactiveChild {
        InactiveChild { id, state, incarnation, restart_in: None, failures: None }
    }
}

/// What a supervisor does about a child that has no process.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InactiveState {
    /// The supervisor is going to start the child again.
    Restarting,
    /// The child has ended or was terminated. It is started again only by a call, or together with a sibling whose restart
    /// restarts it too, as the [`Strategy`](crate::Strategy) says.
    Stopped,
}

/// Why a child was not restarted by [`Inspector::restart`](super::Inspector::restart).
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum RestartError {
    /// There is no such process, or no longer.
    NoProcess,
    /// The process is not a child of a supervisor, so nothing starts it again.
    NoSupervisor,
    /// The process is a child of a [`TaskSupervisor`](crate::TaskSupervisor), which starts a child again only after the child has
    /// ended by itself.
    OfTaskSupervisor,
    /// The child with this id is temporary: it is never started again.
    Temporary(Arc<str>),
    /// The supervisor is stopping or has ended.
    SupervisorStopped,
    /// The child was stopped, and was not started again.
    NotStarted(StartError),
}

impl fmt::Display for RestartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestartError::NoProcess => f.write_str("there is no such process any more"),
            RestartError::NoSupervisor => {
                f.write_str("the process has no supervisor, so nothing starts it again; shut it down instead")
            }
            RestartError::OfTaskSupervisor => f.write_str(
                "a task supervisor restarts a child only after the child has ended by itself; shut it down or kill it instead",
            ),
            RestartError::Temporary(id) => {
                write!(f, "child {id:?} is temporary, so it is never started again; shut it down instead")
            }
            RestartError::SupervisorStopped => f.write_str("the supervisor of the process is stopping or has ended"),
            RestartError::NotStarted(error) => {
                f.write_str("the child was stopped, and was not started again: ")?;
                error.fmt(f)
            }
        }
    }
}

/// As for the errors of the module `error`: the text includes that of the cause, so `source` returns the source of the cause.
impl Error for RestartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RestartError::NotStarted(error) => error.source(),
            _ => None,
        }
    }
}

/// Implemented by the state of a supervisor, so that a snapshot can show it.
pub(crate) trait Supervise: fmt::Debug + Send + Sync {
    /// Returns which kind of supervisor it is. Takes no lock, since it is called under the lock of the process table.
    fn kind(&self) -> SupervisorKind;

    /// Describes the supervisor. Called while no lock of the process table is held.
    fn supervision(&self) -> Supervision;

    /// Stops the child whose process is `child`, and starts it again.
    fn restart_child(self: Arc<Self>, child: Pid) -> BoxFuture<'static, Result<Pid, RestartError>>;

    /// Returns whether the supervisor waits for this child to start.
    fn is_starting(&self, child: Pid) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn an_error_of_a_restart_keeps_the_sources_of_its_cause() {
        let exit = Exit::from_texts("no configuration", vec!["no such file".to_owned()]);
        let error = RestartError::NotStarted(StartError::Child { id: "db".into(), exit });
        let text =
            "the child was stopped, and was not started again: the child \"db\" failed to start: no configuration";
        assert_eq!(error.to_string(), text);
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("no such file"));
        assert_eq!(format!("{error:#}"), format!("{text}: no such file"));
    }
}
