//! What a supervisor reports of its children.

use std::sync::Arc;

use crate::pid::Pid;
use crate::process::Shutdown;
use crate::supervisor::restart::Restart;

/// A child of a supervisor, as it was at the time of the call.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct ChildInfo {
    /// The id of the child.
    pub id: Arc<str>,
    /// The process of the child, if there is one. It may be an abandoned process that has not exited yet. `None` while the
    /// child is being started again, since that may still fail.
    pub pid: Option<Pid>,
    /// Whether the child is a supervisor.
    pub kind: ChildKind,
    /// Whether the child is started again after it has exited.
    pub restart: Restart,
    /// How its supervisor stops the child.
    pub shutdown: Shutdown,
    /// Whether the child is [significant](crate::ChildSpec::significant).
    pub is_significant: bool,
    /// What the child is doing.
    pub state: ChildState,
    /// How many incarnations the child has had, failed starts and the current one included.
    pub incarnation: u32,
}

/// Whether a child of a supervisor is itself a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildKind {
    /// The child is not a supervisor.
    Worker,
    /// The child is a supervisor.
    Supervisor,
}

/// What a child of a supervisor is doing.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildState {
    /// It is being started for the first time, or by `restart_child`: its process has not finished starting.
    Starting,
    /// It is running.
    Running,
    /// It is being started again, or will be: at once, after its backoff, or when a process that is stuck in a poll has
    /// exited.
    Restarting,
    /// It was killed, its process is stuck in a poll, and its supervisor no longer waits for the exit. No restart is
    /// scheduled.
    Abandoned,
    /// It has no process, and no restart is scheduled: it exited, was terminated, failed to start, is [not needed](crate::Ignore), or
    /// has not been started yet.
    Stopped,
}
