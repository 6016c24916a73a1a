//! What the running process does to itself and to others.

use std::sync::Arc;

use super::context::{self, current};
use super::handle::Handle;
use super::signal::Signal;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::unwind;

/// The processes that led to this one: its spawner, then the spawner of that one, and so on; the last 32. Empty outside
/// a process.
///
/// # Elixir
///
/// `$callers`.
///
/// # Examples
///
/// ```
/// use cordial::{Task, process};
///
/// cordial::testing::run(async {
///     let own = process::current().unwrap();
///     let callers = Task::spawn(async { process::callers() }).await.unwrap();
///     assert_eq!(callers, [own]);
/// });
/// ```
#[must_use]
pub fn callers() -> Vec<Pid> {
    let Some(own) = current() else { return Vec::new() };
    context::with_current_runtime(|runtime| runtime.with(own, |entry| entry.callers().to_vec())).unwrap_or_default()
}

/// Gives the calling process a label, which reports, events and snapshots show. The latest one counts. Outside a
/// process nothing happens.
///
/// # Elixir
///
/// `Process.set_label/1`.
///
/// # Examples
///
/// ```
/// cordial::testing::run(async { cordial::process::set_label("mailer") });
/// ```
pub fn set_label(text: impl Into<Arc<str>>) {
    let Some(own) = current() else { return };
    let label = text.into();
    let previous =
        context::with_current_runtime(|runtime| runtime.with(own, |entry| entry.rare().label.replace(label)));
    drop(previous);
}

/// Sends an exit signal to a process, in the name of the calling one.
///
/// [`Exit::Killed`] cannot be trapped. [`Exit::Shutdown`] is a request: a process that asked to be told is told.
/// [`Exit::Normal`] ends only the calling process itself. Anything else ends a process that does not trap exits. What
/// sends the signal does not wait; the process ends at its current await point, or when its poll returns. A pid that
/// names nobody is ignored. Works from anywhere.
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
    let effect = context::with_current_runtime(|runtime| runtime.apply(pid, Signal::Sent { from, reason }));
    effect.act();
}

/// Ends the calling process with this reason, here, whether or not it traps exits. Never returns.
///
/// # Panics
///
/// Outside a process, where there is nothing to end.
///
/// # Cancel safety
///
/// Once polled, the process ends, even if this future is dropped.
///
/// # Elixir
///
/// `exit/1`.
///
/// # Examples
///
/// ```
/// use cordial::{Exit, Task};
///
/// cordial::testing::run(async {
///     let task = Task::spawn(async { cordial::exit(Exit::Shutdown(Some("enough".into()))).await });
///     let exit = task.await.map(|never: ()| never).unwrap_err();
///     assert_eq!(exit, Exit::Shutdown(Some("enough".into())));
/// });
/// ```
pub async fn exit_self(reason: Exit) -> ! {
    let Some(own) = current() else {
        panic!(
            "`cordial::exit` ends the process that calls it, and this thread runs none; return from the function instead"
        )
    };
    let mut reason = Some(Box::new(reason));
    let ended = context::with_current_runtime(|runtime| {
        runtime.with(own, |entry| {
            if entry.ending.is_some() {
                return None;
            }
            entry.manners.exits_itself = true;
            reason.take().map(|reason| entry.end_with(reason))
        })
    });
    // If it was ending already: outside of the lock, since an error in it is the user's.
    drop(reason);
    if let Some(task) = ended.flatten() {
        task.wake();
    }
    std::future::pending().await
}

/// Whether a signal has ended the calling process, so that what it holds is being dropped.
pub(crate) fn is_ended_by_signal() -> bool {
    let Some(own) = current() else { return false };
    let is_ended = |runtime: &Handle| runtime.with(own, |entry| entry.ending.is_some() && !entry.manners.exits_itself);
    context::with_current_runtime(is_ended) == Some(true)
}

/// Ends a long computation whose process has to end: it unwinds, with destructors but without the panic hook, if the
/// process was killed, or was asked to shut down and never asked to be told.
///
/// Call it now and then in a loop that does not await. It costs a few loads. Outside a process, while
/// panicking, and in a program built with `panic = "abort"` it does nothing.
///
/// # Elixir
///
/// Not needed there: a process can be ended between any two instructions.
///
/// # Examples
///
/// ```
/// use cordial::{Shutdown, Task};
///
/// let task = Task::spawn(async {
///     loop {
///         cordial::checkpoint();
///     }
/// });
/// let stopped = Task::spawn(task.shutdown(Shutdown::BrutalKill)).wait().unwrap();
/// assert!(stopped.is_none(), "it ended as it was told to");
/// ```
pub fn checkpoint() {
    if cfg!(panic = "abort") || std::thread::panicking() {
        return;
    }
    if context::is_ending() {
        unwind::unwind_to_catch();
    }
}
