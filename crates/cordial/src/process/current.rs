//! Functions that read and change the state of the calling process.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::connection::Connection;
use super::details::Details;
use super::entry::Entry;
use super::runtime::{RuntimeHandle, current, is_exiting, with_current_runtime};
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

/// Marks the calling process as a connection of a network server, for snapshots and observers: its
/// [kind](super::ProcessInfo::kind) becomes [`Connection`](super::ProcessKind::Connection), unless the process runs a server of
/// [`server`](crate::server). Outside a process this does nothing.
///
/// The crate `cordial-http` calls this for its connections; a server of another protocol may call it too.
///
/// # Examples
///
/// ```
/// use cordial::process::{self, ProcessKind};
///
/// cordial::testing::run(async {
///     process::mark_as_connection();
///     let own = process::info(process::current().unwrap()).unwrap();
///     assert_eq!(own.kind, ProcessKind::Connection);
/// });
/// ```
pub fn mark_as_connection() {
    let Some(own) = current() else { return };
    with_current_runtime(|runtime| runtime.with(own, Entry::mark_as_connection));
}

/// Like [`mark_as_connection`], and sets what snapshots and observers show of the connection: the address of the client, and a
/// counter of requests, to which the server adds. Outside a process this does nothing.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use cordial::process;
///
/// cordial::testing::run(async {
///     let requests = Arc::new(AtomicU64::new(0));
///     process::set_connection("192.0.2.7:40312", requests.clone());
///     requests.fetch_add(1, Ordering::Relaxed);
///     let own = process::info(process::current().unwrap()).unwrap();
///     let connection = own.connection.unwrap();
///     assert_eq!((&*connection.peer, connection.requests), ("192.0.2.7:40312", 1));
/// });
/// ```
pub fn set_connection(peer: impl Into<Arc<str>>, requests: Arc<AtomicU64>) {
    let Some(own) = current() else { return };
    let connection = Box::new(Connection { peer: peer.into(), requests });
    let set = |entry: &mut Entry| {
        entry.mark_as_connection();
        entry.rare().connection.replace(connection)
    };
    let previous = with_current_runtime(|runtime| runtime.with(own, set));
    drop(previous);
}

/// Sets lines of text that snapshots show about the calling process, such as the number of connections of a connection pool.
/// Each snapshot and each [`info`](super::info) of the process calls the closure on the thread that asks for it, so the closure should
/// neither block nor take long. An observer calls it on a thread of its own, and waits for at most 2 s. If the closure panics, no lines
/// are shown. Snapshots that a closure takes itself have no such lines. Replaces an earlier closure. Outside a process this does nothing.
///
/// # Examples
///
/// ```
/// use cordial::{Task, process};
///
/// cordial::testing::run(async {
///     let task = Task::spawn(async {
///         process::set_details(|| vec!["3 connections, 1 idle".to_owned()]);
///         std::future::pending::<()>().await
///     });
///     tokio::task::yield_now().await;
///     assert_eq!(process::info(task.pid()).unwrap().details, ["3 connections, 1 idle"]);
/// });
/// ```
pub fn set_details(lines: impl Fn() -> Vec<String> + Send + Sync + 'static) {
    let Some(own) = current() else { return };
    let details = Details::new(lines);
    let previous = with_current_runtime(|runtime| runtime.with(own, |entry| entry.rare().details.replace(details)));
    drop(previous);
}

/// Ends the calling process with this exit, whether or not it traps exits. Never returns. A process that is exiting already
/// keeps the exit that it has.
///
/// # Panics
///
/// Outside a process.
///
/// # Cancel safety
///
/// Once the future was polled, the process ends when its current poll returns, even if the future is dropped.
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
    // `reason` is still there if the process was exiting already, and in a forked process. It is dropped outside the lock,
    // because it may hold an error of the user.
    drop(reason);
    if let Some(task) = exiting.flatten() {
        task.wake();
    }
    std::future::pending().await
}

/// Returns whether a signal has decided the exit of the calling process. Meant for destructors that run while the future of a process
/// is dropped: the result shows whether a signal is the reason for the drop.
pub(crate) fn is_ended_by_signal() -> bool {
    let Some(own) = current() else { return false };
    let by_signal = |runtime: &RuntimeHandle| {
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
/// The destructors that run when the future of an exiting process is dropped are a part of the process: a call in one of them unwinds as
/// well, and the rest of that destructor does not run.
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
