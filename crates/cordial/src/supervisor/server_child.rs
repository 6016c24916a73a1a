//! The interface between a supervisor and a child that is a server, whose mailbox outlives its processes.

use std::fmt;

use crate::error::StartError;
use crate::pid::Pid;
use crate::process::ChildSlot;

/// A server that is the child of a supervisor.
pub(crate) trait ServerChild: fmt::Debug + Send + Sync {
    /// Makes the server a child of the task supervisor `parent`, which starts its processes from now on. A task supervisor does not take over a
    /// process that is running.
    ///
    /// # Errors
    ///
    /// If a process of the server is running or is being started, if a supervisor has the server as a child, if the server belongs to
    /// another runtime, or if `parent` was abandoned.
    fn claim(&self, parent: Pid) -> Result<(), StartError>;

    /// Returns the process that is running, or else the last one. `Pid::NO_PROCESS` if none was started yet.
    fn pid(&self) -> Pid;

    /// Records `pid`, which was just started to replace `last`, as the process of the server, so that handles return the new pid at once.
    /// Does nothing if the first poll of `pid` has recorded it already.
    fn process_started(&self, last: Pid, pid: Pid);

    /// Makes the server a child of the supervisor of this slot. If a process of the server is running under a supervisor of its own,
    /// that process gets the slot, and its pid is returned. Otherwise the slot is returned, for the next process.
    ///
    /// # Errors
    ///
    /// If another supervisor has the server as a child, if the server belongs to another runtime, or if the supervisor of the slot was
    /// abandoned.
    fn adopt(&self, slot: ChildSlot) -> Result<Adopted, StartError>;

    /// Closes the mailbox and answers the messages in it with an error, because the supervisor does not start the next process by
    /// itself. A later start opens the mailbox again.
    fn not_restarted(&self);
}

/// The outcome of an adoption.
pub(crate) enum Adopted {
    Running(Pid),
    NotRunning(ChildSlot),
}
