//! Sending exit signals.

use super::runtime::{RuntimeHandle, current, with_current_runtime};
use super::signal::Signal;
use crate::error::StartError;
use crate::exit::Exit;
use crate::pid::Pid;

/// Sends an exit signal to a process, from the calling process.
///
/// - [`Exit::Killed`] ends the process. A supervisor first kills its children.
/// - [`Exit::Shutdown`] is a request to shut down: a process that opted in to graceful shutdown is
///   notified, any other process ends.
/// - [`Exit::Normal`] does nothing, unless a process sends it to itself.
/// - Every other exit ends the process.
///
/// A process that traps exits receives all of these exits as values instead, except `Killed`. A supervisor acts only on
/// `Killed` and `Shutdown`, and on exits that its owner sends.
///
/// Does not wait: the process ends at its current await point, or when its current poll returns.
/// Does nothing if the current runtime has no process with this pid. May be called outside a process.
///
/// # Elixir
///
/// `Process.exit/2`.
///
/// # Examples
///
/// ```
/// use cordial::{Exit, Task, process};
///
/// cordial::testing::run(async {
///     let task = Task::spawn(std::future::pending::<()>());
///     process::exit(task.pid(), Exit::Killed);
///     assert_eq!(task.await, Err(Exit::Killed));
/// });
/// ```
pub fn exit(pid: Pid, reason: Exit) {
    let from = current().filter(|own| own.runtime() == pid.runtime());
    let effect = with_current_runtime(|runtime| runtime.apply(pid, Signal::Sent { from, reason }));
    effect.act();
}

/// How the error of a start that takes too long is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartReport {
    /// By the event `start_failed`.
    Event,
    /// By the call that has started the child.
    Call,
}

/// Ends a process whose start takes too long with the exit of this error, unless it traps exits or is a guardian. Does not wait.
pub(crate) fn end_with(runtime: &RuntimeHandle, pid: Pid, error: &StartError, report: StartReport) {
    if report == StartReport::Event {
        runtime.with(pid, |entry| entry.rare().start_failed_is_emitted = true);
    }
    let reason = Exit::from(error.clone());
    runtime.signal(pid, Signal::Sent { from: None, reason });
}
