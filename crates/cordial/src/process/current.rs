//! What a process does to itself.

use std::sync::Arc;

use super::runtime::{Handle, current, is_exiting, with_current_runtime};
use super::shutdown_state::{ExitCause, ShutdownState};
use crate::exit::Exit;
use crate::pid::Pid;
use crate::unwind;

/// Returns the callers of the calling process: its spawner, the spawner's spawner, and so on, up to
/// 32. Empty outside a process.
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
    with_current_runtime(|runtime| runtime.with(own, |entry| entry.callers().to_vec())).unwrap_or_default()
}

/// Sets the label of the calling process, shown in reports, events and snapshots. Replaces an earlier label. Outside a
/// process this does nothing.
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
    let previous = with_current_runtime(|runtime| runtime.with(own, |entry| entry.rare().label.replace(label)));
    drop(previous);
}

/// Ends the calling process with this exit, whether or not it traps exits. Never returns.
///
/// # Panics
///
/// Outside a process.
///
/// # Cancel safety
///
/// Once the future is polled, the process ends, even if the future is dropped.
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
pub async fn exit(reason: Exit) -> ! {
    let Some(own) = current() else {
        panic!(
            "`cordial::exit` ends the process that calls it, and this thread runs no process; return from the function instead"
        )
    };
    let mut reason = Some(Box::new(reason));
    let exiting = with_current_runtime(|runtime| {
        runtime.with(own, |entry| {
            if entry.shutdown.is_exiting() {
                return None;
            }
            reason.take().map(|reason| entry.exit_with(own, reason, ExitCause::Own))
        })
    });
    // `reason` is still there if the process was exiting already. It is dropped outside the lock,
    // because it may hold an error of the user.
    drop(reason);
    if let Some(task) = exiting.flatten() {
        task.wake();
    }
    std::future::pending().await
}

/// Returns whether a signal has ended the calling process, so that its future is being dropped.
pub(crate) fn is_ended_by_signal() -> bool {
    let Some(own) = current() else { return false };
    let by_signal = |runtime: &Handle| {
        runtime.with(own, |entry| matches!(entry.shutdown, ShutdownState::Exiting { cause: ExitCause::Signal, .. }))
    };
    with_current_runtime(by_signal) == Some(true)
}

/// Unwinds the calling process if it is exiting, for example because it was killed, or was asked to
/// shut down and had not opted in to graceful shutdown. The unwinding runs destructors, but not the
/// panic hook.
///
/// Call `checkpoint` now and then in a long computation that does not await. A call costs a few
/// loads. It does nothing outside a process, while the thread is panicking, and in a program that
/// is built with `panic = "abort"`.
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
/// assert!(stopped.is_none(), "it was killed, as requested");
/// ```
pub fn checkpoint() {
    if cfg!(panic = "abort") || std::thread::panicking() {
        return;
    }
    if is_exiting() {
        unwind::unwind_to_catch();
    }
}
