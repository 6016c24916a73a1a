//! Requests to shut down: sending one, and receiving it.

use std::sync::Arc;

use tokio::sync::Notify;

use super::runtime::{Handle, current, with_current_runtime};
use super::signal::Signal;
use crate::exit::Exit;
use crate::pid::Pid;

/// Waits until the calling process is asked to shut down: by its owner, its supervisor, or a signal to the program.
///
/// The first poll opts the process in to *graceful shutdown*, for the rest of its life: a request
/// does not end the process at its current await point; instead, the process is notified and ends
/// itself. If it has not done so within the grace time of the request, it is killed. After a
/// request, every such future is ready at once.
///
/// Outside a process the future is never ready.
///
/// # Cancel safety
///
/// Dropping the future loses nothing: the request is recorded.
///
/// # Elixir
///
/// `Process.flag(:trap_exit, true)` and a `receive` for the exit signal of the parent.
///
/// # Examples
///
/// ```
/// use cordial::{Shutdown, Task};
///
/// cordial::testing::run(async {
///     let server = Task::spawn(async {
///         cordial::shutdown_requested().await;
///         "closed the books"
///     });
///     tokio::task::yield_now().await;
///     assert_eq!(server.shutdown(Shutdown::default()).await, Some(Ok("closed the books")));
/// });
/// ```
pub async fn shutdown_requested() {
    let Some(notify) = opt_in() else { return std::future::pending().await };
    let mut notified = std::pin::pin!(notify.notified());
    // Enabled before the state is read, so that a request in between is not missed.
    notified.as_mut().enable();
    if !is_shutdown_requested() {
        notified.await;
    }
}

/// Returns whether the calling process was asked to shut down. `false` outside a process.
///
/// This call does not opt in to graceful shutdown: without a poll of [`shutdown_requested`], a request ends the process at its
/// current await point.
///
/// # Examples
///
/// ```
/// assert!(!cordial::is_shutdown_requested());
/// ```
#[must_use]
pub fn is_shutdown_requested() -> bool {
    let Some(own) = current() else { return false };
    with_current_runtime(|runtime| runtime.with(own, |entry| entry.shutdown.is_requested())).unwrap_or(false)
}

fn opt_in() -> Option<Arc<Notify>> {
    let own = current()?;
    with_current_runtime(|runtime| {
        runtime.with(own, |entry| {
            entry.shutdown.opt_in();
            entry.rare().shutdown_notify.clone()
        })
    })
}

impl Handle {
    /// Asks a process to shut down. The request comes from the calling process, if that belongs to the same runtime.
    pub(crate) fn request_shutdown(&self, pid: Pid) {
        let from = current().filter(|caller| caller.runtime() == pid.runtime());
        self.signal(pid, Signal::Sent { from, reason: Exit::Shutdown(None) });
    }
}
