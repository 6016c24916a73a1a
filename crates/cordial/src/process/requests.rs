//! Requests to shut down: sending one, receiving it, and deferring it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::FusedFuture;

use super::entry::Entry;
use super::runtime::{RuntimeHandle, current, started_runtime, try_current_runtime, with_current_runtime};
use super::shutdown_notice::{ShutdownNotice, WaiterKey};
use super::signal::{Signal, end_deferral};
use crate::exit::Exit;
use crate::pid::Pid;

/// Opts the calling process in to graceful shutdown, and returns a future that is ready when the process is asked to shut down: by its
/// owner, by its supervisor, or, if it is a root process, by a signal to the program.
///
/// The *call* opts in, for the rest of the life of the process. From then on, a request does not end the process at its current await
/// point, but notifies it, and the process ends itself. If it has not done so within the grace time of the request, it is killed. So make
/// the call before the first await of the work that has to be finished:
///
/// | code of the process | when a request comes during `work` |
/// |---|---|
/// | `select! { answer = work() => …, () = shutdown_requested() => … }` | `select!` calls both functions before it polls a future, so the process has opted in before `work` begins, and one of the branches runs |
/// | `join!(work(), shutdown_requested())` | likewise |
/// | `serve(..).with_graceful_shutdown(shutdown_requested())` | the server finishes what it is working on, even if it awaits the future in a task of tokio |
/// | `async { shutdown_requested().await }` as a branch | the call is made in the first poll of this block: a request that comes before that ends the process |
///
/// The process stays opted in even if the future is dropped before its first poll. A `select!` in a loop needs that: it
/// drops the future at the end of each round, and the next round must find the process as it was. A process that has called this
/// once and never looks at requests again ignores them until it is killed. Where it should be opted in only for a
/// while, such as in a helper function, use [`process::defer_shutdown`](crate::process::defer_shutdown).
///
/// The future belongs to the process that made the call, wherever it is polled. A call in the arguments of
/// [`Task::spawn`](crate::Task::spawn) opts in the spawner and not the task. After a request, every future of this kind is ready at
/// once. A future that outlives its process is ready when the process has ended, so that a server that was left behind stops, too.
///
/// # Outside of any process
///
/// In a task of `tokio::spawn` and on a plain thread, no process can be opted in. The future is then ready when a root process of the
/// runtime is asked to shut down, when the last root process has ended, and when the runtime is shut down. A root process runs a future
/// that is passed to [`run`](crate::run), [`main`](crate::main), [`Runtime::run`](crate::Runtime::run) or
/// [`testing::run`](crate::testing::run). The runtime depends on the thread. On a thread that a [`Runtime`](crate::Runtime) has started,
/// tokio's included, it is that runtime. On all other threads it is the default runtime, which starts on first use.
///
/// No process waits for such a task: unless the root process has opted in itself and awaits the task, the program may end before
/// the task has finished.
///
/// # Cancel safety
///
/// Dropping the future loses nothing: the request is recorded, and the process stays opted in.
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
pub fn shutdown_requested() -> ShutdownRequested {
    let opt_in = |entry: &mut Entry| {
        entry.shutdown.opt_in();
        entry.shutdown_notice()
    };
    ShutdownRequested::new(with_own_entry(opt_in).unwrap_or_else(root_notice))
}

/// Returns whether the calling process was asked to shut down. Outside of any process: whether the future of
/// [`shutdown_requested`] would be ready there. Does not start the default runtime.
///
/// This call does not opt in to graceful shutdown: without a call of [`shutdown_requested`], a request ends the process at its
/// current await point.
///
/// # Examples
///
/// ```
/// assert!(!cordial::is_shutdown_requested());
/// ```
#[must_use]
pub fn is_shutdown_requested() -> bool {
    let Some(own) = current() else {
        return started_runtime().is_some_and(|runtime| root_notice_of(&runtime).is_given());
    };
    let is_requested = |runtime: &RuntimeHandle| runtime.with(own, |entry| entry.shutdown.is_requested());
    with_current_runtime(|runtime| is_requested(runtime).unwrap_or_else(|| runtime.is_forked()))
}

/// Defers requests to shut down while the returned guard lives.
///
/// While the guard lives, the calling process is opted in to graceful shutdown: a request does not end the process at its current
/// await point, but the process may be killed when the grace time of the request has passed. When the last guard of the process is
/// dropped, a request that has come in the meantime ends the process at its next await point; a later request ends it as if there
/// had been no guard. A process that has called [`shutdown_requested`](crate::shutdown_requested) or trapped exits stays opted in.
///
/// The guard belongs to the process that made the call, wherever it is dropped. Outside of any process there is nothing to defer,
/// and [`requested`](ShutdownGuard::requested) waits as [`shutdown_requested`](crate::shutdown_requested) does there.
///
/// # Elixir
///
/// Setting the flag `:trap_exit` for a while, and restoring its value.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use cordial::{Shutdown, Task, process};
/// use tokio::time::sleep;
///
/// /// Copies a record to the other side. A request to shut down does not interrupt it.
/// async fn transfer() {
///     let _guard = process::defer_shutdown();
///     sleep(Duration::from_secs(1)).await;
/// }
///
/// cordial::testing::run(async {
///     let worker = Task::spawn(async {
///         loop {
///             transfer().await;
///             sleep(Duration::from_secs(60)).await; // a request ends the process here
///         }
///     });
///     tokio::task::yield_now().await;
///     let begun = tokio::time::Instant::now();
///     let end: Option<Result<(), _>> = worker.shutdown(Shutdown::default()).await;
///     assert!(end.is_none(), "it ended as requested");
///     assert_eq!(begun.elapsed(), Duration::from_secs(1));
/// });
/// ```
pub fn defer_shutdown() -> ShutdownGuard {
    let defer = |entry: &mut Entry| {
        entry.shutdown.defer();
        entry.shutdown_notice()
    };
    let process = current().map(|own| (own, with_current_runtime(RuntimeHandle::clone)));
    ShutdownGuard { process, notice: with_own_entry(defer).unwrap_or_else(root_notice) }
}

/// Calls `f` with the entry of the calling process. Returns `None` outside of any process. If the process is not in the table, returns
/// a notice that was given already: in a forked process, and in a `tracing` subscriber that receives the last event of a process.
fn with_own_entry(f: impl FnOnce(&mut Entry) -> Arc<ShutdownNotice>) -> Option<Arc<ShutdownNotice>> {
    let own = current()?;
    let notice = with_current_runtime(|runtime| runtime.with(own, f));
    Some(notice.unwrap_or_else(|| Arc::new(ShutdownNotice::given())))
}

/// Returns the notice for code outside of any process. If there is no runtime and none can start, nothing ever gives it.
fn root_notice() -> Arc<ShutdownNotice> {
    try_current_runtime().map(|runtime| root_notice_of(&runtime)).unwrap_or_default()
}

/// Returns the notice of the root processes of a runtime. In a forked process, returns one that was given: the root has stayed in
/// the parent process.
fn root_notice_of(runtime: &RuntimeHandle) -> Arc<ShutdownNotice> {
    if runtime.is_forked() { Arc::new(ShutdownNotice::given()) } else { runtime.roots().notice() }
}

/// The future of [`shutdown_requested`](crate::shutdown_requested) and [`ShutdownGuard::requested`].
///
/// It may be polled anywhere. It is [fused](FusedFuture), and ready again if it is polled after it was ready.
#[must_use = "the call has opted the process in to graceful shutdown; unless something awaits the future, the request is ignored"]
#[derive(Debug)]
pub struct ShutdownRequested {
    notice: Arc<ShutdownNotice>,
    key: WaiterKey,
    is_terminated: bool,
}

impl ShutdownRequested {
    fn new(notice: Arc<ShutdownNotice>) -> ShutdownRequested {
        ShutdownRequested { notice, key: WaiterKey::default(), is_terminated: false }
    }
}

impl ShutdownRequested {
    /// Returns whether the future would be ready. Takes no lock.
    #[inline]
    pub(crate) fn is_given(&self) -> bool {
        self.notice.is_given()
    }
}

impl Future for ShutdownRequested {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        std::task::ready!(this.notice.poll(&mut this.key, cx));
        this.is_terminated = true;
        Poll::Ready(())
    }
}

impl FusedFuture for ShutdownRequested {
    fn is_terminated(&self) -> bool {
        self.is_terminated
    }
}

impl Drop for ShutdownRequested {
    fn drop(&mut self) {
        self.notice.forget(&mut self.key);
    }
}

/// Defers requests to shut down while it lives, created by [`defer_shutdown`].
#[must_use = "requests to shut down are deferred only while the guard lives"]
#[derive(Debug)]
pub struct ShutdownGuard {
    /// The process that made the call. `None` outside of any process.
    process: Option<(Pid, RuntimeHandle)>,
    notice: Arc<ShutdownNotice>,
}

impl ShutdownGuard {
    /// Returns a future that is ready when the process of the guard is asked to shut down. It may outlive the guard, and does not
    /// defer anything.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use cordial::{Shutdown, Task, process};
    ///
    /// cordial::testing::run(async {
    ///     let worker = Task::spawn(async {
    ///         let guard = process::defer_shutdown();
    ///         tokio::select! {
    ///             () = guard.requested() => "saved what was done so far",
    ///             () = tokio::time::sleep(Duration::from_secs(3600)) => "done",
    ///         }
    ///     });
    ///     tokio::task::yield_now().await;
    ///     assert_eq!(worker.shutdown(Shutdown::default()).await, Some(Ok("saved what was done so far")));
    /// });
    /// ```
    pub fn requested(&self) -> ShutdownRequested {
        ShutdownRequested::new(self.notice.clone())
    }
}

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        if let Some((own, runtime)) = &self.process {
            runtime.with(*own, |entry| end_deferral(*own, entry)).unwrap_or_default().act();
        }
    }
}

impl RuntimeHandle {
    /// Asks a process to shut down. The request comes from the calling process, if that belongs to the same runtime.
    pub(crate) fn request_shutdown(&self, pid: Pid) {
        let from = current().filter(|caller| caller.runtime() == pid.runtime());
        self.signal(pid, Signal::Sent { from, reason: Exit::Shutdown(None) });
    }
}
