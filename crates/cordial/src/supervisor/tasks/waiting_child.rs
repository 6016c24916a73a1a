//! A child of a task supervisor that is restarting.

use std::sync::Arc;

use crate::pid::Pid;

/// A child of a [`TaskSupervisor`](crate::TaskSupervisor) that has exited and is restarting.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingChild {
    /// The id of its specification.
    pub id: Arc<str>,
    /// Its last process that had finished starting, or else its first process.
    /// [`terminate_child`](crate::TaskSupervisor::terminate_child) with this pid prevents the
    /// restart.
    pub last_pid: Pid,
    /// How many incarnations the child has had, failed starts included.
    pub incarnation: u32,
}
