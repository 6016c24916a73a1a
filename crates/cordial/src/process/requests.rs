//! Being asked to shut down, and being told of it.

use std::sync::Arc;

use tokio::sync::Notify;

use super::context::{self, current};

/// Waits until the calling process is asked to shut down: by its owner, its supervisor, or a signal to the program.
///
/// From its first poll to the end of the process, a request does not end the process at its next await point: it has
/// the grace time that whoever asks gives it, and ends itself. That holds while no such future exists, too. After a
/// request it is ready at once, as often as it is awaited.
///
/// Outside a process it never resolves.
///
/// # Cancel safety
///
/// Nothing is lost: the request leaves a mark.
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
    let Some(asked) = want_notice() else { return std::future::pending().await };
    let mut notified = std::pin::pin!(asked.notified());
    // Before the mark is read, so that a request in between is not missed.
    notified.as_mut().enable();
    if !is_shutdown_requested() {
        notified.await;
    }
}

/// Whether the calling process was asked to shut down. `false` outside a process.
///
/// Asking this is not asking to be told: a process that never polls [`shutdown_requested`] ends at its next await point.
///
/// # Examples
///
/// ```
/// assert!(!cordial::is_shutdown_requested());
/// ```
#[must_use]
pub fn is_shutdown_requested() -> bool {
    let Some(own) = current() else { return false };
    context::with_current_runtime(|runtime| runtime.with(own, |entry| entry.manners.is_asked)).unwrap_or(false)
}

fn want_notice() -> Option<Arc<Notify>> {
    let own = current()?;
    context::with_current_runtime(|runtime| {
        runtime.with(own, |entry| {
            entry.manners.wants_notice = true;
            entry.rare().asked.clone()
        })
    })
}
