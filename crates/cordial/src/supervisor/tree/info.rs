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
    /// The process of the child. If it has ended or was abandoned, an abandoned process that has not exited yet: that of the child or, if
    /// the child is a supervisor, one below it. `None` if there is no such process either, and while a restart is starting a process,
    /// because the restart may still fail.
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
    /// How many incarnations the child has had, including the current one and those that failed to start.
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
    /// Its process has not finished starting, and this is not a restart: no earlier process of the child has finished starting, or
    /// `restart_child` was called.
    Starting,
    /// It is running.
    Running,
    /// The supervisor is restarting it, or will restart it: at once, after the delay of a backoff, or when a process that is stuck in a
    /// poll has exited. Under a strategy other than `OneForOne`, the child may wait for the restart of an earlier child.
    Restarting,
    /// It was stopped, but a process that was killed is stuck in a poll: that of the child or, if the child is a supervisor, one below
    /// it. The supervisor of the child does not wait for that process any more, and no restart is scheduled.
    Abandoned,
    /// It has no process, and no restart is scheduled: it exited, was terminated, failed to start, is [not needed](crate::Ignore), or
    /// has not been started yet.
    Stopped,
}
